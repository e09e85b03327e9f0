"""The way of a run through the six stages: `flow` is the order, the other modules are what it does between the agents.

    stages        reuse of results, states, progress            workers   who works on a run, and lives
    planning      what a plan depends on          observing     the same, as the world is now
    remembering   answers given before            changing, wishing   changes in words
    drafts        pull requests before Approve    landing       from an approved plan to a merged one
    undoing       rolling back                    replay        everything rebuilt from the store
    snapshots     a run as it stands              words         results in sentences
    keeping       clean-up of ended runs            dropping      cancelling a run that waits
    verifying     audit, heads and rows

Agents do the work and never know of each other; this room hands frozen models from one to the next.
"""

"""Pipeline Operator: what happens in the world after an approval.

    effects.py    one external effect, done once: its key written before it, its result after it
    deploy.py     schema, job, first run, comments

Monitoring, alerts, promotion and cost are not built yet and not reachable from the interface.
"""

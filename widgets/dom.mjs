/**
 * As much of a document as the two drawings use, so that their tests need nothing but Node. Not shipped.
 */

class FakeNode {
  constructor(name) {
    this.name = name;
    this.className = "";
    this.attributes = {};
    this.children = [];
    this.own = "";
    this.listeners = [];
    const classes = new Set();
    this.classList = {
      add: (c) => classes.add(c),
      contains: (c) => classes.has(c),
      toggle: (c, on) => (on ? classes.add(c) : classes.delete(c)),
    };
  }

  set textContent(value) {
    this.own = String(value);
    this.children = [];
  }

  setAttribute(key, value) {
    this.attributes[key] = String(value);
  }

  append(...nodes) {
    this.children.push(...nodes);
  }

  replaceChildren(...nodes) {
    this.own = "";
    this.children = nodes;
  }

  addEventListener(kind, listener, { signal }) {
    this.listeners.push({ kind, listener, signal });
  }

  fire(kind, more = {}) {
    const event = { preventDefault() {}, ...more };
    for (const { kind: on, listener, signal } of this.listeners) if (on === kind && !signal.aborted) listener(event);
  }

  all(wanted) {
    const below = this.children.flatMap((child) => (child instanceof FakeNode ? child.all(wanted) : []));
    return wanted(this) ? [this, ...below] : below;
  }

  find(wanted) {
    return this.all(wanted)[0];
  }

  querySelectorAll(selector) {
    return this.all((node) => node.className.split(" ").includes(selector.slice(1)));
  }

  text() {
    return this.own + this.children.map((child) => (child instanceof FakeNode ? child.text() : child)).join("");
  }
}

export class FakeDocument {
  createElement(name) {
    return new FakeNode(name);
  }

  createElementNS(_, name) {
    return new FakeNode(name);
  }
}

/** A model with one value, as anywidget gives it. */
export function model(value) {
  const listeners = [];
  return {
    listeners,
    get: () => value,
    on: (kind, listener) => listeners.push(listener),
    off: (kind, listener) => listeners.splice(listeners.indexOf(listener), 1),
  };
}

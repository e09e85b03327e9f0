import assert from "node:assert/strict";
import test from "node:test";

import widget, { kindClass, marked, summary, withoutCode } from "./trace.js";
import { FakeDocument, model } from "./dom.mjs";

const clauses = {
  c1: { kind: "join", label: "join", fields: [{ path: "steps.j.how", value: "left" }], code: [] },
  c2: { kind: "check", label: "check", fields: [], code: [{ place: "cell 3", source: "x = 1" }] },
};

test("only known clauses that ask for something are marked", () => {
  assert.equal(marked({ text: "a", clause: "c1", kind: "join" }, clauses), true);
  assert.equal(marked({ text: "a", clause: "", kind: "" }, clauses), false);
  assert.equal(marked({ text: "a", clause: "c1", kind: "filler" }, clauses), false);
  assert.equal(marked({ text: "a", clause: "toString", kind: "join" }, clauses), false);
});

test("a kind becomes a class name, a hostile one does not", () => {
  assert.equal(kindClass("join"), "pm-kind-join");
  assert.equal(kindClass('x" onload="y'), "pm-kind-other");
});

test("a clause says what it became", () => {
  assert.equal(summary(clauses.c1), "join: became 1 field");
  assert.equal(summary(clauses.c2), "check: became no field");
  assert.equal(withoutCode(clauses.c1, false), "Its code is shown after Generate.");
  assert.equal(withoutCode(clauses.c2, true), "");
});

test("focus shows fields as text, and clean-up takes every listener away", () => {
  globalThis.document = new FakeDocument();
  const el = document.createElement("div");
  const evil = "<img src=x>";
  const trace = model({
    statements: [[{ text: "Joins", clause: "c1", kind: "join" }, { text: evil, clause: "", kind: "" }]],
    clauses: { c1: { ...clauses.c1, fields: [{ path: "p", value: evil }] } },
    generated: false,
  });
  const cleanUp = widget.render({ model: trace, el });
  assert.ok(el.classList.contains("pm-live"));
  const span = el.find((node) => node.className.includes("pm-kind-join"));
  assert.equal(span.attributes["aria-label"], "Joins, join: became 1 field");
  span.fire("focus");
  const detail = el.find((node) => node.className === "pm-trace-detail");
  assert.ok(detail.text().includes(evil));
  assert.equal(el.find((node) => node.name === "img"), undefined);
  span.fire("keydown", { key: "Enter" });
  assert.equal(span.attributes["aria-pressed"], "true");
  span.fire("click");
  assert.equal(span.attributes["aria-pressed"], "false");
  cleanUp();
  assert.equal(trace.listeners.length, 0);
  detail.replaceChildren();
  span.fire("focus");
  assert.equal(detail.text(), "");
});

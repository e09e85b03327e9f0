import assert from "node:assert/strict";
import test from "node:test";

import widget, { curve, nodeLabel, onPath, reach } from "./lineage.js";
import { FakeDocument, model } from "./dom.mjs";

const edges = [["a", "c"], ["b", "c"], ["c", "d"], ["c", "e"]];

test("reach goes up and down, not sideways", () => {
  assert.deepEqual([...reach(edges, "d")].sort(), ["a", "b", "c", "d"]);
  assert.deepEqual([...reach(edges, "a")].sort(), ["a", "c", "d", "e"]);
  assert.deepEqual([...reach([["a", "b"], ["b", "a"]], "a")].sort(), ["a", "b"]);
});

test("an edge is on the path when both its ends are", () => {
  const nodes = reach(edges, "a");
  assert.equal(onPath(["a", "c"], nodes), true);
  assert.equal(onPath(["b", "c"], nodes), false);
});

test("a curve goes from the right side of a box to the left side of the next", () => {
  assert.equal(curve({ x: 0, y: 0 }, { x: 200, y: 100 }, [100, 40]), "M100 20C150 20 150 120 200 120");
});

test("a node says what it is", () => {
  const node = { id: "a", label: "…t", full: "a.b.t", kind: "source", detail: "8 columns", x: 0, y: 0 };
  assert.equal(nodeLabel(node), "source a.b.t: 8 columns");
});

test("Enter keeps a path highlighted, Escape lets go, clean-up takes every listener away", () => {
  globalThis.document = new FakeDocument();
  const el = document.createElement("div");
  const node = (id) => ({ id, label: id, full: id, kind: "step", detail: "", x: 0, y: 0 });
  const graph = model({ width: 10, height: 10, box: [1, 1], nodes: ["a", "b", "c", "d", "e"].map(node), edges });
  const cleanUp = widget.render({ model: graph, el });
  const boxes = el.all((found) => found.name === "g");
  assert.equal(boxes.length, 5);
  boxes[0].fire("keydown", { key: "Enter" });
  assert.equal(boxes[0].attributes["aria-pressed"], "true");
  assert.deepEqual(boxes.map((box) => box.classList.contains("pm-on")), [true, false, true, true, true]);
  boxes[1].fire("mouseenter");
  assert.equal(boxes[1].classList.contains("pm-on"), false);
  boxes[0].fire("keydown", { key: "Escape" });
  assert.equal(boxes[0].classList.contains("pm-on"), false);
  cleanUp();
  assert.equal(graph.listeners.length, 0);
});

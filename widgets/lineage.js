/**
 * A graph from left to right; hover, focus or click shows everything a node comes from and everything it feeds.
 *
 * Positions come from the kernel, which also draws the static picture; nothing is sent back. All text is set as text.
 *
 * @typedef {{id: string, label: string, full: string, kind: string, detail: string, x: number, y: number}} Node
 * @typedef {{width: number, height: number, box: [number, number], nodes: Node[], edges: [string, string][]}} Graph
 */

const SVG = "http://www.w3.org/2000/svg";

/**
 * Ids of a node, of all it comes from and all it feeds; cycles end.
 * @param {[string, string][]} edges
 * @param {string} id
 * @returns {Set<string>}
 */
export function reach(edges, id) {
  const found = new Set([id]);
  for (const [from, to] of [[0, 1], [1, 0]]) {
    const seen = new Set([id]);
    const queue = [id];
    for (let at = queue.pop(); at !== undefined; at = queue.pop()) {
      for (const edge of edges) {
        if (edge[from] === at && !seen.has(edge[to])) {
          seen.add(edge[to]);
          found.add(edge[to]);
          queue.push(edge[to]);
        }
      }
    }
  }
  return found;
}

/**
 * Whether an edge lies on a way through the chosen node: both ends are on it, and it does not step aside.
 * @param {[string, string]} edge
 * @param {Set<string>} nodes
 */
export function onPath(edge, nodes) {
  return nodes.has(edge[0]) && nodes.has(edge[1]);
}

/**
 * The path of an edge from the right side of one box to the left side of another.
 * @param {{x: number, y: number}} a
 * @param {{x: number, y: number}} b
 * @param {[number, number]} box width and height
 */
export function curve(a, b, [width, height]) {
  const x1 = a.x + width;
  const y1 = a.y + height / 2;
  const y2 = b.y + height / 2;
  const bend = Math.max(20, (b.x - x1) / 2);
  return `M${x1} ${y1}C${x1 + bend} ${y1} ${b.x - bend} ${y2} ${b.x} ${y2}`;
}

/**
 * What a screen reader says of a node.
 * @param {Node} node
 */
export function nodeLabel(node) {
  return `${node.kind} ${node.full}${node.detail ? `: ${node.detail}` : ""}`;
}

/**
 * @param {string} name
 * @param {Record<string, string | number>} attributes
 * @param {string} [text]
 */
function make(name, attributes, text) {
  const node = document.createElementNS(SVG, name);
  for (const [key, value] of Object.entries(attributes)) node.setAttribute(key, String(value));
  if (text !== undefined) node.textContent = text;
  return node;
}

/**
 * @param {Node} node
 * @param {[number, number]} box
 */
function drawNode(node, [width, height]) {
  const kind = /^[a-z0-9_]+$/.test(node.kind) ? node.kind : "other";
  const group = make("g", { class: `pm-node pm-node-${kind}`, tabindex: 0, role: "button", "aria-pressed": "false" });
  group.setAttribute("aria-label", nodeLabel(node));
  group.append(
    make("title", {}, nodeLabel(node)),
    make("rect", { x: node.x, y: node.y, width, height, rx: 5 }),
    make("text", { x: node.x + 10, y: node.y + 19, class: "pm-node-label" }, node.label),
    make("text", { x: node.x + 10, y: node.y + 36, class: "pm-node-kind" }, node.kind),
  );
  return group;
}

/**
 * @param {{model: any, el: HTMLElement}} context
 * @returns {() => void} takes every listener away again
 */
function render({ model, el }) {
  const controller = new AbortController();
  const signal = controller.signal;
  el.classList.add("pm-live");

  function draw() {
    /** @type {Graph} */
    const graph = model.get("value");
    const at = new Map(graph.nodes.map((node) => [node.id, node]));
    const picture = make("svg", {
      viewBox: `0 0 ${graph.width} ${graph.height}`,
      width: graph.width,
      height: graph.height,
      style: `min-width:${Math.round(graph.width * 0.62)}px`,
      class: "pm-graph",
      role: "group",
      "aria-label": "Lineage from sources to target",
    });
    const edges = graph.edges.filter(([a, b]) => at.has(a) && at.has(b));
    const lines = edges.map(([a, b]) => make("path", { d: curve(at.get(a), at.get(b), graph.box), class: "pm-edge" }));
    const boxes = graph.nodes.map((node) => drawNode(node, graph.box));
    picture.append(...lines, ...boxes);
    let pinned = "";
    const highlight = (/** @type {string} */ id) => {
      picture.classList.toggle("pm-focused", id !== "");
      const nodes = id ? reach(edges, id) : new Set();
      boxes.forEach((box, i) => box.classList.toggle("pm-on", nodes.has(graph.nodes[i].id)));
      lines.forEach((line, i) => line.classList.toggle("pm-on", onPath(edges[i], nodes)));
    };
    boxes.forEach((box, i) => {
      const id = graph.nodes[i].id;
      const pin = () => {
        pinned = pinned === id ? "" : id;
        boxes.forEach((other, j) => other.setAttribute("aria-pressed", String(graph.nodes[j].id === pinned)));
        highlight(pinned);
      };
      box.addEventListener("mouseenter", () => pinned || highlight(id), { signal });
      box.addEventListener("mouseleave", () => pinned || highlight(""), { signal });
      box.addEventListener("focus", () => pinned || highlight(id), { signal });
      box.addEventListener("blur", () => pinned || highlight(""), { signal });
      box.addEventListener("click", pin, { signal });
      box.addEventListener(
        "keydown",
        (/** @type {KeyboardEvent} */ event) => {
          if (event.key === "Enter" || event.key === " ") {
            event.preventDefault();
            pin();
          } else if (event.key === "Escape") {
            pinned = "";
            highlight("");
          }
        },
        { signal },
      );
    });
    const scroll = document.createElement("div");
    scroll.className = "pm-scroll";
    scroll.append(picture);
    el.replaceChildren(scroll);
  }

  draw();
  model.on("change:value", draw);
  return () => {
    controller.abort();
    model.off("change:value", draw);
  };
}

export default { render };

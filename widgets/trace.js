/**
 * The statement with its clauses marked; hover, focus or click shows the fields and the code a clause became.
 *
 * Draws what the kernel sends and sends nothing back. All text is set as text, never as markup.
 *
 * @typedef {{text: string, clause: string, kind: string}} Segment
 * @typedef {{path: string, value: string}} Field
 * @typedef {{place: string, source: string}} Code
 * @typedef {{kind: string, label: string, fields: Field[], code: Code[]}} Clause
 * @typedef {{statements: Segment[][], clauses: Record<string, Clause>, generated: boolean}} Trace
 */

/**
 * Whether a segment is drawn as a clause that can be looked at.
 * @param {Segment} segment
 * @param {Record<string, Clause>} clauses
 */
export function marked(segment, clauses) {
  return Boolean(segment.clause && Object.hasOwn(clauses, segment.clause) && segment.kind !== "filler");
}

/**
 * A class name made of a kind, which may be any text.
 * @param {string} kind
 */
export function kindClass(kind) {
  return "pm-kind-" + (/^[a-z]+$/.test(kind) ? kind : "other");
}

/**
 * One sentence on what a clause became, for screen readers.
 * @param {Clause} clause
 */
export function summary(clause) {
  const count = clause.fields.length;
  if (count === 0) return `${clause.label}: became no field`;
  return `${clause.label}: became ${count} field${count === 1 ? "" : "s"}`;
}

/**
 * What is said where there is no code to show.
 * @param {Clause} clause
 * @param {boolean} generated
 */
export function withoutCode(clause, generated) {
  if (clause.code.length) return "";
  return generated ? "No cell of the notebook is of this clause alone." : "Its code is shown after Generate.";
}

/**
 * @param {string} name
 * @param {string} className
 * @param {string} [text]
 */
function make(name, className, text) {
  const node = document.createElement(name);
  node.className = className;
  if (text !== undefined) node.textContent = text;
  return node;
}

/**
 * @param {HTMLElement} box
 * @param {Clause | undefined} clause
 * @param {boolean} generated
 */
function describe(box, clause, generated) {
  box.replaceChildren();
  if (!clause) {
    box.append(make("span", "pm-quiet", "Point at a marked clause, or reach it with Tab, to see what it became."));
    return;
  }
  box.append(make("div", `pm-trace-kind ${kindClass(clause.kind)}`, summary(clause)));
  const list = make("ul", "pm-list");
  for (const field of clause.fields) {
    const item = make("li", "");
    item.append(make("code", "", field.path), " ", make("bdi", "", field.value));
    list.append(item);
  }
  box.append(list);
  for (const part of clause.code) {
    box.append(make("div", "pm-quiet", part.place), make("pre", "pm-trace-code", part.source));
  }
  const missing = withoutCode(clause, generated);
  if (missing) box.append(make("div", "pm-quiet", missing));
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
    /** @type {Trace} */
    const trace = model.get("value");
    const words = make("div", "pm-statement");
    const shown = make("div", "pm-trace-detail");
    shown.setAttribute("aria-live", "polite");
    /** @type {string} */
    let pinned = "";
    const show = (/** @type {string} */ id) => describe(shown, trace.clauses[id], trace.generated);
    for (const statement of trace.statements ?? []) {
      const line = make("div", "pm-words");
      line.dir = "auto";
      for (const segment of statement) {
        if (!marked(segment, trace.clauses)) {
          line.append(make("bdi", "", segment.text));
          continue;
        }
        const clause = trace.clauses[segment.clause];
        const span = make("span", `pm-clause ${kindClass(clause.kind)}`);
        span.append(make("bdi", "", segment.text), make("sup", "", clause.label));
        span.tabIndex = 0;
        span.setAttribute("role", "button");
        span.setAttribute("aria-label", `${segment.text.trim()}, ${summary(clause)}`);
        span.setAttribute("aria-pressed", "false");
        const pin = () => {
          pinned = pinned === segment.clause ? "" : segment.clause;
          for (const other of words.querySelectorAll(".pm-clause")) other.setAttribute("aria-pressed", "false");
          span.setAttribute("aria-pressed", String(pinned !== ""));
          show(pinned || segment.clause);
        };
        span.addEventListener("mouseenter", () => pinned || show(segment.clause), { signal });
        span.addEventListener("focus", () => pinned || show(segment.clause), { signal });
        span.addEventListener("click", pin, { signal });
        span.addEventListener(
          "keydown",
          (event) => {
            if (event.key === "Enter" || event.key === " ") {
              event.preventDefault();
              pin();
            }
          },
          { signal },
        );
        line.append(span);
      }
      words.append(line);
    }
    show("");
    el.replaceChildren(words, shown);
  }

  draw();
  model.on("change:value", draw);
  return () => {
    controller.abort();
    model.off("change:value", draw);
  };
}

export default { render };

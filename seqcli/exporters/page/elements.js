// Elements of the page. Texts of the data are only ever set as text, never as HTML.

const element = (id) => document.getElementById(id);

/** Return a new element with a class and children: elements, or texts. */
function create(tag, className = "", ...children) {
  const node = document.createElement(tag);
  if (className !== "") node.className = className;
  node.append(...children);
  return node;
}

/** Return a button. */
function button(className, action, ...children) {
  const node = create("button", className, ...children);
  node.type = "button";
  node.addEventListener("click", action);
  return node;
}

/** Return a token or text in its own writing direction. */
const isolated = (text, className = "") => create("bdi", className, text);

/** Replace the children of a list; the focus stays at its place among the buttons. */
function fill(list, children) {
  const place = Array.from(list.querySelectorAll("button")).indexOf(document.activeElement);
  list.replaceChildren(...children);
  const buttons = list.querySelectorAll("button");
  if (place >= 0) buttons[Math.min(place, buttons.length - 1)]?.focus();
}

/** Write a probability. */
function percent(probability) {
  if (probability >= 0.9995 && probability < 1) return ">99.9%";
  if (probability > 0 && probability < 0.0005) return "<0.1%";
  return `${(100 * probability).toFixed(1)}%`;
}

/** Return a list item with a text, its probability, and a bar as long as the probability. */
function bar(text, probability, action, pressed = null) {
  const parts = [isolated(text, "token"), create("span", "share", percent(probability))];
  const node = button("bar", action, ...parts);
  node.style.setProperty("--share", String(probability));
  if (pressed !== null) node.setAttribute("aria-pressed", String(pressed));
  return create("li", "", node);
}

const FEW = 12; // bars shown at first

/** Fill a list with bars of the most likely tokens; a button shows all of them. */
function showDistribution(probability, textOf, choose, all = false) {
  const possible = topOf(probability, probability.length).filter((id) => probability[id] > 0);
  const shown = all ? possible : possible.slice(0, FEW);
  fill(element("bars"), shown.map((id) => bar(textOf(id), probability[id], () => choose(id))));
  const more = element("all");
  more.hidden = possible.length <= FEW;
  more.textContent = all ? "Show fewer" : `Show all ${possible.length} tokens`;
  more.onclick = () => showDistribution(probability, textOf, choose, !all);
}

/** Show an error, or hide it. */
function showProblem(text) {
  element("problem").textContent = text;
  element("problem").hidden = text === "";
}

let announcing = 0;

/** Say something to screen readers, once the keyboard rests. */
function announce(text) {
  clearTimeout(announcing);
  announcing = setTimeout(() => (element("announcement").textContent = text), 600);
}

const SLICE = 12; // ms of computing before the page reads the keyboard again

/** Run one generator at a time, in slices; starting another one stops it. */
class Runner {
  start(generator, done) {
    this.current = generator;
    const slice = () => {
      if (this.current !== generator) return;
      const end = performance.now() + SLICE;
      do {
        const next = generator.next();
        if (next.done) {
          done(next.value);
          return;
        }
      } while (performance.now() < end);
      setTimeout(slice);
    };
    slice();
  }

  stop() {
    this.current = null;
  }
}

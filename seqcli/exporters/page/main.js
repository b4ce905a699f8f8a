// Open the page: read its data, build the model, show it, and check it.

/** Compare the page's log-probabilities with those of the original, row by row. */
function* check(page, model) {
  let [largest, equal] = [0, true];
  for (const { source, target, score: expected } of page.checks) {
    const found = yield* score(model, model.start(source), target);
    const difference = Math.abs(found - expected);
    largest = Math.max(largest, difference);
    equal &&= difference <= page.tolerance * (target.length + 1);
  }
  return { largest, equal };
}

function showCheck(page, { largest, equal }) {
  const rows = `${page.checks.length} ${page.checks.length === 1 ? "row" : "rows"}`;
  const verdict = equal ? "Checked against the original" : "This page differs from the original";
  const difference = `largest difference of log-probabilities ${largest.toExponential(1)}`;
  element("check").textContent = `${verdict} on ${rows}: ${difference}.`;
  element("check").dataset.difference = String(largest);
  element("check").className = equal ? "" : "problem";
}

function open() {
  const page = JSON.parse(element("model").textContent);
  const weights = Array.from(document.querySelectorAll(".weights"), (one) => one.textContent);
  const model = buildPage(page, weights);
  const View = page.source === null ? LanguageView : PairsView;
  const view = new View(page, model);
  setTimeout(() => new Runner().start(check(page, model), (found) => showCheck(page, found)));
  return { page, model, view };
}

window.addEventListener("error", ({ message }) => showProblem(`This page failed: ${message}`));
const opened = open();

// The page of a model of pairs: a source, its answers, attention, and every next token.

class PairsView {
  constructor(page, model) {
    Object.assign(this, { page, model });
    this.source = new Side(page.source, page.normalize);
    this.target = new Side(page.target, page.normalize);
    this.runner = new Runner();
    this.forced = []; // ids that the answer must begin with
    this.showExamples();
    element("width").value = page.search.width;
    for (const id of ["source", "features", "width"]) {
      element(id)?.addEventListener("input", () => this.change());
    }
    if (page.examples.length > 0) this.type(page.examples[Math.floor(page.examples.length / 2)]);
    else this.change();
  }

  showExamples() {
    const written = (text) => (this.page.features ? text.replace("\t", " + ") : text);
    const chip = (text) => button("", () => this.type(text), isolated(printable(written(text))));
    element("examples").replaceChildren(...this.page.examples.map(chip));
  }

  /** Put a source into the fields; its features follow a tab. */
  type(text) {
    const tab = this.page.features ? text.indexOf("\t") : -1;
    element("source").value = tab < 0 ? text : text.slice(0, tab);
    if (this.page.features) element("features").value = tab < 0 ? "" : text.slice(tab + 1);
    this.change();
  }

  /** Return the tokens of the fields. */
  tokens() {
    const features = this.page.features ? element("features").value : "";
    const tokens = this.source.split(element("source").value);
    return [...tokens, ...featureTokens(features, this.page.normalize)];
  }

  /** Answer another source. */
  change() {
    this.forced = [];
    this.answer();
  }

  answer() {
    const tokens = this.tokens();
    const ids = this.source.encode(tokens);
    const problem = lengthProblem(this.page.limits, tokens.length);
    this.describeSource(tokens, ids, problem);
    this.runner.stop();
    if (ids.length === 0 || problem !== "") {
      this.clear();
      return;
    }
    element("answer").parentNode.classList.add("waiting");
    const started = performance.now();
    this.runner.start(this.search(ids), ({ state, hypotheses }) => {
      element("time").textContent = `${Math.max(1, Math.round(performance.now() - started))} ms`;
      this.show(tokens, state, hypotheses);
    });
  }

  describeSource(tokens, ids, problem) {
    const unknown = [...new Set(tokens.filter((_, i) => ids[i] === UNK))].map(visibleSource);
    const parts = [`${tokens.length} ${tokens.length === 1 ? "token" : "tokens"}`];
    if (problem !== "") parts.push(problem);
    if (unknown.length > 0) parts.push(`not in the vocabulary: ${unknown.join(" ")}`);
    element("source-note").textContent = tokens.length === 0 ? "" : parts.join("; ");
  }

  *search(ids) {
    const { limits, search } = this.page;
    const width = Math.min(Math.max(Math.round(element("width").valueAsNumber) || 1, 1), 50);
    const state = this.model.start(ids);
    const prefix = yield* readPrefix(this.model, state, this.forced);
    const options = { ...search, width, nbest: Math.min(width, search.nbest) };
    const lengths = lengthsFor(limits, ids.length);
    const hypotheses = yield* beamSearch(this.model, prefix, lengths, options);
    return { state, hypotheses };
  }

  clear() {
    element("answer").textContent = "";
    for (const id of ["candidates", "steps", "bars", "map"]) element(id).replaceChildren();
    for (const id of ["attention", "all", "forced"]) element(id).hidden = true;
    element("time").textContent = "";
  }

  /** Show the answers, and select the best one. */
  show(tokens, state, hypotheses) {
    Object.assign(this, { sourceTokens: tokens, state, hypotheses });
    element("answer").parentNode.classList.remove("waiting");
    const [top] = hypotheses;
    element("answer").textContent = this.textOf(top);
    announce(`${this.textOf(top)}, probability ${percent(Math.exp(top.logProbability))}`);
    this.showForced();
    this.select(0, Math.min(this.forced.length, top.ids.length));
  }

  textOf({ ids, truncated }) {
    const text = printable(this.target.text(ids));
    return `${text === "" ? "(empty)" : text}${truncated ? " … (maximum length)" : ""}`;
  }

  showForced() {
    const note = element("forced");
    note.hidden = this.forced.length === 0;
    const clear = button("", () => this.change(), "Release");
    const text = printable(this.target.text(this.forced));
    note.replaceChildren("Made to begin with ", isolated(text, "token"), " ", clear);
  }

  /** Show the attention and the distributions of one of the answers. */
  select(chosen, position = 0) {
    this.chosen = chosen;
    const { ids } = this.hypotheses[chosen];
    fill(element("candidates"), this.hypotheses.map((one, i) => {
      const probability = Math.exp(one.logProbability);
      return bar(this.textOf(one), probability, () => this.select(i), i === chosen);
    }));
    this.runner.start(trace(this.model, this.state, ids), (steps) => {
      this.outputs = [...ids.map((id) => visible(this.target.token(id))), "end"];
      this.steps = steps;
      this.showAttention();
      this.selectStep(Math.min(position, steps.length - 1));
    });
  }

  showAttention() {
    element("attention").hidden = this.steps[0].attention === null;
    if (this.steps[0].attention === null) return;
    const sources = this.sourceTokens.map(visibleSource);
    const head = create("tr", "", create("td"), ...sources.map((text) => heading("col", text)));
    const rows = this.steps.map(({ attention }, t) => {
      const cells = sources.map((text, s) => cell(attention[s], `${this.outputs[t]} ← ${text}`));
      return create("tr", "", heading("row", this.outputs[t]), ...cells);
    });
    element("map").replaceChildren(create("thead", "", head), create("tbody", "", ...rows));
  }

  /** Show the distribution of the token at one position of the answer. */
  selectStep(position) {
    const { ids } = this.hypotheses[this.chosen];
    fill(element("steps"), this.outputs.map((text, t) => {
      const chip = button("", () => this.selectStep(t), isolated(text));
      chip.setAttribute("aria-pressed", String(t === position));
      return chip;
    }));
    const rows = element("map").tBodies[0]?.rows ?? [];
    Array.from(rows, (row, t) => row.setAttribute("aria-current", String(t === position)));
    const probability = map(this.steps[position].scores, Math.exp);
    for (const id of [PAD, BOS, UNK]) probability[id] = 0; // never predicted
    const textOf = (id) => (id === EOS ? "end" : visible(this.target.token(id)));
    showDistribution(probability, textOf, (id) => {
      if (id !== EOS) this.force([...ids.slice(0, position), id]);
    });
  }

  /** Make the answer begin with ids. */
  force(ids) {
    this.forced = ids;
    this.answer();
  }
}

/** Describe why a source is too long; "" if it is not. */
function lengthProblem(limits, size) {
  const { longest, positions, continued } = limits;
  if (size > longest) return `more than the maximum of ${longest}`;
  const last = lengthsFor(limits, size).limit + 1 + (continued ? size : 0);
  if (positions === null || Math.max(size, last) <= positions) return "";
  return "more than the model has learned positions for";
}

/** Return a source token as it is shown: a feature without the space that marks it. */
const visibleSource = (token) => visible(/^ \[.*\]$/.test(token) ? token.slice(1) : token);

function heading(scope, text) {
  const node = create("th", "", isolated(text));
  node.scope = scope;
  return node;
}

/** Return a cell of the attention map. */
function cell(weight, title) {
  const node = create("td", "", create("span", "unseen", percent(weight)));
  node.title = `${title}: ${weight.toFixed(3)}`;
  node.style.setProperty("--share", weight.toFixed(4));
  return node;
}

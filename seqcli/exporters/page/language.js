// The page of a language model: texts drawn from it, and the distribution of the next token.

class LanguageView {
  constructor(page, model) {
    Object.assign(this, { page, model });
    this.target = new Side(page.target, page.normalize);
    this.drawing = new Runner();
    this.reading = new Runner();
    element("draw").addEventListener("click", () => this.draw());
    for (const id of ["prefix", "temperature"]) {
      element(id).addEventListener("input", () => this.read());
    }
    this.read();
    this.draw();
  }

  get temperature() {
    return element("temperature").valueAsNumber;
  }

  /** Return the ids of the prefix, or null if it cannot be continued. */
  prefix() {
    const tokens = this.target.split(element("prefix").value);
    const unknown = [...new Set(tokens.filter((token) => !this.target.ids.has(token)))];
    const problem = unknown.length > 0
      ? `not in the vocabulary: ${unknown.map(visible).join(" ")}`
      : this.lengthProblem(tokens.length);
    element("prefix-note").textContent = problem;
    return problem === "" ? this.target.encode(tokens) : null;
  }

  /** Return the maximum length of a text, prefix included. */
  limit(prefixLength) {
    const { limit } = lengthsFor(this.page.limits, 0);
    return prefixLength < limit ? limit : prefixLength + limit;
  }

  lengthProblem(size) {
    const { positions } = this.page.limits;
    if (positions === null || this.limit(size) < positions) return "";
    return "longer than the model has learned positions for";
  }

  /** Show the distribution of the token after the prefix. */
  read() {
    element("temperature-value").textContent = this.temperature.toFixed(1);
    const ids = this.prefix();
    element("draw").disabled = ids === null;
    if (ids === null) return;
    const shown = printable(this.target.text(ids));
    const place = ids.length === 0 ? "At the start of a text" : `After “${shown}”`;
    element("next-note").textContent = `${place}. Choose a token to add it.`;
    this.reading.start(this.nextScores(ids), (scores) => {
      const textOf = (id) => (id === EOS ? "end" : visible(this.target.token(id)));
      const choose = (id) => this.append(ids, id);
      showDistribution(probabilities(scores, this.temperature), textOf, choose);
    });
  }

  *nextScores(ids) {
    const { state, token } = yield* readPrefix(this.model, this.model.start(), ids);
    return nextScores(this.model.step(token, state).logits);
  }

  append(ids, id) {
    if (id === EOS) return;
    element("prefix").value = this.target.text([...ids, id]);
    this.read();
  }

  /** Draw texts, one after another. */
  draw() {
    const ids = this.prefix();
    if (ids === null) return;
    const count = Math.min(Math.max(Math.round(element("count").valueAsNumber) || 1, 1), 100);
    element("texts").replaceChildren();
    this.drawing.start(this.samples(ids, count), (texts) => {
      announce(texts.map(({ ids: drawn }) => this.target.text(drawn)).join(", "));
    });
  }

  *samples(prefix, count) {
    const limit = this.limit(prefix.length);
    const texts = [];
    for (let i = 0; i < count; i++) {
      const text = yield* sampleText(this.model, prefix, limit, this.temperature, Math.random);
      element("texts").append(this.itemOf(text));
      texts.push(text);
    }
    return texts;
  }

  itemOf({ ids, logProbability, truncated }) {
    const written = printable(this.target.text(ids)) || "(empty)";
    const text = isolated(`${written}${truncated ? "…" : ""}`);
    const share = create("span", "share soft", `ln p = ${logProbability.toFixed(1)}`);
    share.title = "log-probability of the rest, given the prefix, at temperature 1";
    return create("li", "", text, share);
  }
}

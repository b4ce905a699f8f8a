// From texts to tokens and ids, and back.

const SPECIALS = 4; // <pad>, <bos>, <eos>, <unk>
const UNKNOWN_TEXT = "\ufffd";

// The white space at which Python's str.split and str.strip split.
const SPACES = /[\t-\r\x1c-\x20\x85\xa0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000]+/;
const strip = (text) => {
  return text.replace(new RegExp(`^${SPACES.source}|${SPACES.source}$`, "g"), "");
};

const TOKEN_STYLES = {
  chars: (text) => Array.from(text),
  graphemes: (text) => {
    const clusters = new Intl.Segmenter("en", { granularity: "grapheme" }).segment(text);
    return Array.from(clusters, ({ segment }) => segment);
  },
  words: (text) => text.split(SPACES).filter((word) => word !== ""),
  whole: (text) => (strip(text) === "" ? [] : [strip(text)]),
};

/** Return a text in the Unicode normalization form of the model, in lower case if `lower`. */
function normalized(text, form, lower) {
  const cased = lower ? text.toLowerCase() : text;
  return form === "none" ? cased : cased.normalize(form.toUpperCase());
}

/** The tokens of one side of a pair. */
class Side {
  constructor({ tokenization, joiner, tokens, lower }, form) {
    Object.assign(this, { style: tokenization, joiner, tokens, lower, form });
    this.ids = new Map(tokens.map((token, i) => [token, i + SPECIALS]));
  }

  /** Split a text into tokens. */
  split(text) {
    return TOKEN_STYLES[this.style](normalized(text, this.form, this.lower));
  }

  /** Return the ids of tokens; an unknown token becomes UNK. */
  encode(tokens) {
    return tokens.map((token) => this.ids.get(token) ?? UNK);
  }

  /** Return the text of an id. */
  token(id) {
    return id >= SPECIALS ? this.tokens[id - SPECIALS] : UNKNOWN_TEXT;
  }

  /** Return the text of ids. */
  text(ids) {
    return ids.map((id) => this.token(id)).join(this.joiner);
  }
}

/** Return the tokens of features such as N;ACC;PL. */
function featureTokens(text, form) {
  const names = text.split(";").map((name) => strip(normalized(name, form, false)));
  return names.filter((name) => name !== "").map((name) => ` [${name}]`);
}

/** Escape the invisible characters of a token; quote it if it starts or ends with a space. */
function visible(token) {
  const escaped = Array.from(token, (one, i) => {
    const hidden = one !== " " && /[\p{C}\p{Z}]/u.test(one);
    return hidden || (i === 0 && /[\p{Mn}\p{Me}]/u.test(one)) ? escapeOf(one) : one;
  }).join("");
  return /^ | $|^$/.test(escaped) ? `'${escaped}'` : escaped;
}

const ESCAPES = { "\t": "\\t", "\n": "\\n", "\r": "\\r" };

function escapeOf(character) {
  if (character in ESCAPES) return ESCAPES[character];
  const code = character.codePointAt(0).toString(16);
  if (code.length <= 2) return `\\x${code.padStart(2, "0")}`;
  return code.length <= 4 ? `\\u${code.padStart(4, "0")}` : `\\U${code.padStart(8, "0")}`;
}

/** Escape the invisible characters of a text, except those that spell words. */
function printable(text) {
  return Array.from(text, (one) => {
    return /[\p{C}\p{Z}]/u.test(one) && !" \u200c\u200d".includes(one) ? escapeOf(one) : one;
  }).join("");
}

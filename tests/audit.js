/* Check what the page shows: contrast, names of controls, order of the keyboard, headings. */
const problems = [];

function rgba(text) {
  const [r, g, b, a = 1] = text.match(/[\d.]+/g).map(Number);
  return text.startsWith("color(srgb") ? [255 * r, 255 * g, 255 * b, a] : [r, g, b, a];
}

function over([r, g, b, a], below) {
  return [r, g, b].map((value, i) => value * a + below[i] * (1 - a));
}

function background(node) {
  const layers = [];
  for (let one = node; one; one = one.parentElement) {
    layers.push(rgba(getComputedStyle(one).backgroundColor));
    if (layers.at(-1)[3] === 1) break;
  }
  return layers.reverse().reduce((below, layer) => over(layer, below), [255, 255, 255]);
}

function luminance(color) {
  const linear = (x) => (x <= 0.04045 ? x / 12.92 : ((x + 0.055) / 1.055) ** 2.4);
  const [r, g, b] = color.map((value) => linear(value / 255));
  return 0.2126 * r + 0.7152 * g + 0.0722 * b;
}

function contrast(one, other) {
  const [low, high] = [luminance(one), luminance(other)].sort((a, b) => a - b);
  return (high + 0.05) / (low + 0.05);
}

function isShown(node) {
  return node.checkVisibility() && node.getClientRects().length > 0;
}

function checkText(node) {
  const parent = node.parentElement;
  if (node.data.trim() === "" || !isShown(parent) || parent.closest("script, style, .unseen")) return;
  const style = getComputedStyle(parent);
  const inside = parent.closest("svg") !== null;
  const below = background(inside ? parent.closest("svg").parentElement : parent);
  const ratio = contrast(over(rgba(inside ? style.fill : style.color), below), below);
  const size = parseFloat(style.fontSize);
  const large = size >= 24 || (size >= 18.66 && Number(style.fontWeight) >= 700);
  if (ratio < (large ? 3 : 4.5)) {
    problems.push(`contrast ${ratio.toFixed(1)}: ${node.data.trim().slice(0, 40)}`);
  }
}

function nameOf(control) {
  const by = control.getAttribute("aria-labelledby");
  const labels = [...(control.labels ?? [])].map((one) => one.textContent);
  const named = by ? by.split(" ").map((id) => document.getElementById(id)?.textContent ?? "") : [];
  return [control.getAttribute("aria-label") ?? "", ...named, ...labels, control.textContent].join("").trim();
}

function audit() {
  const texts = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  while (texts.nextNode()) checkText(texts.currentNode);
  const controls = [...document.querySelectorAll("a[href], button, input, select, summary, [tabindex]")];
  for (const one of controls.filter(isShown)) {
    const kind = one.tagName.toLowerCase();
    if (nameOf(one) === "") problems.push(`no name: ${one.outerHTML.slice(0, 80)}`);
    if (one.tabIndex !== 0) problems.push(`not in the order of the keyboard: ${kind} ${one.id}`);
  }
  for (const one of document.querySelectorAll(".wide, pre")) {
    const scrolls = one.scrollWidth > one.clientWidth + 1;
    if (scrolls && isShown(one) && one.tabIndex !== 0) {
      problems.push(`scrolls, but not by keyboard: ${one.textContent.trim().slice(0, 40)}`);
    }
  }
  const levels = [...document.querySelectorAll("h1, h2, h3, h4")].map((one) => Number(one.tagName[1]));
  if (levels.some((level, i) => level > (levels[i - 1] ?? 0) + 1)) problems.push(`headings: ${levels}`);
  const ids = [...document.querySelectorAll("[id]:not(defs *)")].map((one) => one.id);
  if (new Set(ids).size < ids.length) problems.push("an id occurs twice");
  for (const one of document.querySelectorAll("th:not([scope])")) {
    if (one.textContent !== "") problems.push(`a header without scope: ${one.textContent}`);
  }
  if (document.documentElement.lang === "" || document.title === "") problems.push("no language or title");
  if (document.querySelectorAll("main").length !== 1) problems.push("no main part");
  const root = document.documentElement;
  if (root.scrollWidth > root.clientWidth) {
    problems.push(`wider than the window by ${root.scrollWidth - root.clientWidth} pixels`);
  }
  return problems;
}

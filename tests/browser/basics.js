// What each page owes to everybody. Each function returns a list of what is wrong, empty if nothing is.

globalThis.basics = {
  structure() {
    const wrong = [];
    const expect = (holds, what) => holds || wrong.push(what);
    const all = (selector) => [...document.querySelectorAll(selector)];
    expect(document.documentElement.lang, "no language");
    expect(document.title.trim(), "no title");
    expect(all("h1").length === 1, "not one h1");
    expect(all("main").length === 1, "not one main");
    for (const cell of all("th")) expect(cell.scope, `no scope: ${cell.outerHTML}`);
    for (const table of all("table")) expect(table.caption || table.ariaLabel, "a table without a name");
    for (const image of all("canvas")) expect(image.role === "img" && image.ariaLabel, "a plot without a text");
    const levels = all("h1, h2, h3, h4, h5, h6").map((heading) => Number(heading.tagName[1]));
    levels.forEach((level, at) => expect(level <= (levels[at - 1] ?? 0) + 1, `heading ${at} skips a level`));
    const ids = all("[id]").map(({ id }) => id);
    for (const id of ids) expect(ids.indexOf(id) === ids.lastIndexOf(id), `the id ${id} twice`);
    for (const name of ["aria-labelledby", "aria-describedby", "for"]) {
      for (const element of all(`[${name}]`)) {
        for (const id of element.getAttribute(name).split(" ")) expect(document.getElementById(id), `${name}: no ${id}`);
      }
    }
    expect(all("[role=status], [aria-live]").length > 0, "nothing is announced");
    return wrong;
  },

  /** Texts that are hard to read: WCAG's contrast of 4.5, and 3 for large type. */
  contrast() {
    const wrong = [];
    const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
    while (walker.nextNode()) {
      const text = walker.currentNode.data.trim();
      const element = walker.currentNode.parentElement;
      const { width, height } = element.getBoundingClientRect();
      // Nobody sees it, or it can't be used now.
      if (!text || !element.checkVisibility() || width < 2 || height < 2) continue;
      if (element.closest("[aria-disabled=true], :disabled, [data-connection=connecting], noscript")) continue;
      const style = getComputedStyle(element);
      const size = parseFloat(style.fontSize);
      const large = size >= 24 || (size >= 18.66 && Number(style.fontWeight) >= 700);
      const found = ratio(over(colour(style.color), backdrop(element)), backdrop(element));
      if (found < (large ? 3 : 4.5)) wrong.push(`${found.toFixed(2)}: ${element.tagName} ${element.className} “${text.slice(0, 40)}”`);
    }
    return wrong;
  },

  /** What sticks out of the page at the side. */
  width() {
    const { scrollWidth } = document.documentElement;
    if (scrollWidth <= innerWidth) return [];
    const wide = [...document.querySelectorAll("body *")].filter((one) => one.getBoundingClientRect().right > innerWidth + 1);
    return [`${scrollWidth} of ${innerWidth}`, ...wide.slice(0, 5).map((one) => one.outerHTML.slice(0, 120))];
  },

  rest: new Map(),

  /** How everything looks that has no focus. */
  noteRest() {
    document.activeElement.blur();
    this.rest = new Map([...document.querySelectorAll("body *")].map((element) => [element, look(element)]));
    return [];
  },

  /** Whether one sees where the focus is: on the element, or on what stands for it beside it. */
  focusShows() {
    const element = document.activeElement;
    const both = [element, element.nextElementSibling].filter(Boolean);
    return both.some((one) => look(one) !== this.rest.get(one));
  },
};

function look(element) {
  const { outlineStyle, outlineWidth, boxShadow } = getComputedStyle(element);
  return `${outlineStyle === "none" ? "" : outlineWidth} ${boxShadow}`;
}

function colour(text) {
  const [red, green, blue, alpha = 1] = text.match(/[\d.]+/g).map(Number);
  return { red, green, blue, alpha };
}

function over(front, back) {
  const mix = (part) => front[part] * front.alpha + back[part] * (1 - front.alpha);
  return { red: mix("red"), green: mix("green"), blue: mix("blue"), alpha: 1 };
}

function backdrop(element) {
  if (!element) return { red: 255, green: 255, blue: 255, alpha: 1 };
  const own = colour(getComputedStyle(element).backgroundColor);
  return own.alpha === 1 ? own : over(own, backdrop(element.parentElement));
}

function luminance({ red, green, blue }) {
  const [r, g, b] = [red, green, blue].map((value) => {
    const part = value / 255;
    return part <= 0.04045 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4;
  });
  return 0.2126 * r + 0.7152 * g + 0.0722 * b;
}

function ratio(one, other) {
  const [low, high] = [luminance(one), luminance(other)].sort((a, b) => a - b);
  return (high + 0.05) / (low + 0.05);
}

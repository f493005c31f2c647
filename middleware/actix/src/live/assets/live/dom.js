// The few things that are done to the document. Text only ever gets in as text.

export function byId(id) {
  return document.getElementById(id);
}

/** A new element. `props` may have `class`, `text`, `title`, and any `data-` or `aria-` attribute. */
export function make(tag, props = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(props)) {
    if (name === "text") element.textContent = value;
    else if (name === "class") element.className = value;
    else element.setAttribute(name, value);
  }
  element.append(...children);
  return element;
}

/** Changes the text, and touches nothing if it is the same: selections and screen readers notice. */
export function setText(element, text) {
  if (element.textContent !== text) element.textContent = text;
}

export function setClass(element, name, on) {
  if (element.classList.contains(name) !== on) element.classList.toggle(name, on);
}

export function setData(element, name, value) {
  if (element.dataset[name] !== value) element.dataset[name] = value;
}

/**
 * Makes the children of `parent` those of `items`, in their order. What has the same key stays the same element, with
 * its focus, its selection, and whether it is unfolded.
 */
export function keep(parent, items, keyOf, create, update) {
  const known = (parent.keyed ??= new Map());
  const wanted = new Set(items.map(keyOf));
  for (const [key, parts] of known) {
    if (wanted.has(key)) continue;
    parts.root.remove();
    known.delete(key);
  }
  let before = parent.firstElementChild;
  for (const item of items) {
    const key = keyOf(item);
    let parts = known.get(key);
    if (!parts) known.set(key, (parts = create(item)));
    update(parts, item);
    if (parts.root === before) before = before.nextElementSibling;
    else parent.insertBefore(parts.root, before);
  }
}

/** Where a route runs, as a mark that is told by shape and word, not by colour alone. */
export function badge(placement) {
  return make("span", { class: `badge ${placement}`, text: placement });
}

// Elements in one line, and what is said to those who listen to the page.

const SVG = "http://www.w3.org/2000/svg";

/** An element: `h("button", {onclick: go, class: "quiet"}, "Go")`. Text is never read as markup. */
export function h(tag, properties = {}, ...children) {
  return fill(document.createElement(tag), properties, children);
}

/** The same for SVG. */
export function svg(tag, properties = {}, ...children) {
  return fill(document.createElementNS(SVG, tag), properties, children);
}

function fill(element, properties, children) {
  for (const [name, value] of Object.entries(properties)) {
    if (value === undefined || value === null || value === false) continue;
    if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else if (name === "style") Object.entries(value).forEach(([key, set]) => element.style.setProperty(key, set));
    else if (name in element && !(element instanceof SVGElement) && name !== "list") element[name] = value;
    else element.setAttribute(name === "class" ? "class" : name, value === true ? "" : value);
  }
  element.append(...there(children));
  return element;
}

/** `children` in place of those that `element` has; as with `h`, what is not there is left out. */
export function refill(element, ...children) {
  element.replaceChildren(...there(children));
}

const there = (children) => children.flat().filter((child) => child !== null && child !== undefined && child !== false);

/** Tell screen readers what happened elsewhere on the page. */
export function say(text) {
  document.getElementById("said").textContent = text;
}

/** 4.2 s, 3 min 5 s, 2 h 4 min. */
export function duration(seconds) {
  if (seconds < 10) return `${seconds.toFixed(1)} s`;
  const whole = Math.round(seconds);
  if (whole < 60) return `${whole} s`;
  if (whole < 3600) return `${Math.floor(whole / 60)} min ${whole % 60} s`;
  return `${Math.floor(whole / 3600)} h ${Math.floor((whole % 3600) / 60)} min`;
}

export function percent(share) {
  return `${Math.round(share * 100)} %`;
}

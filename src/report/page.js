"use strict";
// What a reader can do with the page: filter and enlarge photos, sort tables, look at one class's curve. Without it the
// page is whole, and shows everything.
(() => {
  const all = (selector, within = document) => [...within.querySelectorAll(selector)];
  const one = (selector, within = document) => within.querySelector(selector);

  // A long page begins with what is in it.
  const heads = all("main > h2");
  if (heads.length > 3) {
    const nav = document.createElement("nav");
    nav.setAttribute("aria-label", "Contents");
    nav.append(...heads.map((head, place) => {
      const link = document.createElement("a");
      head.id = `part-${place + 1}`;
      link.href = `#${head.id}`;
      link.textContent = head.textContent;
      return link;
    }));
    one("h1").after(nav);
  }

  // Photos are shown while one of their boxes fits the filter.
  const filter = one("#filter");
  const fits = () => {
    const label = filter.elements.class.value, least = +filter.elements.score.value;
    const kinds = new Set(all("input[name=kind]:checked", filter).map(box => box.value));
    const judged = filter.elements.kind !== undefined;
    return mark => {
      const kind = mark.dataset.kind, score = mark.dataset.score;
      return (!label || mark.dataset.class === label) && (score === undefined || +score >= least) &&
        (!judged || kinds.has(kind) || kind === "found" || kind === "drawn" || kind === "truth");
    };
  };
  const apply = () => {
    const fit = fits(), active = filter.elements.class.value || +filter.elements.score.value > 0 ||
      all("input[name=kind]:not(:checked)", filter).length > 0;
    let shown = 0;
    const figures = all("main figure");
    for (const figure of figures) {
      let any = false;
      for (const mark of all(".mark", figure)) {
        const kept = fit(mark);
        mark.toggleAttribute("hidden", !kept);
        any ||= kept && mark.dataset.kind !== "truth";
      }
      figure.hidden = Boolean(active) && !any;
      shown += figure.hidden ? 0 : 1;
    }
    one("output[name=least]", filter).value = (+filter.elements.score.value).toFixed(2);
    one("output[name=shown]", filter).value = `${shown} of ${figures.length} pictures`;
  };
  if (filter) {
    filter.hidden = false;
    filter.addEventListener("input", apply);
    filter.addEventListener("reset", () => setTimeout(apply));
    filter.addEventListener("submit", event => event.preventDefault());
    apply();
  }

  // One photo, large; the arrow keys lead to the next and the one before.
  const dialog = one("#large");
  let at = null;
  const open = figure => {
    at = figure;
    const photo = one(".photo", figure), copy = document.createElement("div");
    copy.className = "photo";
    const [width, height] = ["width", "height"].map(side => +one("img", photo).getAttribute(side));
    copy.style.width = `${(78 * width / height).toFixed(1)}vh`;
    copy.append(...[...photo.childNodes].map(node => node.cloneNode(true)));
    one(".shown", dialog).replaceChildren(copy);
    one("h2", dialog).textContent = one("figcaption .name", figure).textContent;
    one(".words", dialog).textContent = one("figcaption .words", figure)?.textContent ?? "";
    if (!dialog.open) dialog.showModal();
  };
  const step = by => {
    const figures = all("main figure:not([hidden])");
    const next = figures[figures.indexOf(at) + by];
    if (next) open(next);
  };
  if (dialog) {
    all("main figure").forEach(figure => one(".photo", figure).addEventListener("click", () => open(figure)));
    dialog.addEventListener("keydown", event => {
      if (event.key === "ArrowRight") step(1);
      if (event.key === "ArrowLeft") step(-1);
    });
    dialog.addEventListener("click", event => { if (event.target === dialog) dialog.close(); });
    dialog.addEventListener("close", () => one(".photo", at).focus());
    one("[name=back]", dialog).addEventListener("click", () => step(-1));
    one("[name=on]", dialog).addEventListener("click", () => step(1));
    one("[name=close]", dialog).addEventListener("click", () => dialog.close());
    all("[data-hides]", dialog).forEach(box =>
      box.addEventListener("change", () => dialog.classList.toggle(box.dataset.hides, !box.checked)));
  }

  // Tables are sorted by the column whose head is pressed; numbers from the largest down at first.
  for (const table of all("table.sortable")) {
    all("thead th", table).forEach((head, column) => {
      const button = document.createElement("button");
      button.type = "button";
      button.append(...head.childNodes);
      head.append(button);
      button.addEventListener("click", () => {
        const numbers = head.classList.contains("n"), was = head.getAttribute("aria-sort");
        const down = was ? was === "ascending" : numbers;
        all("th[aria-sort]", table).forEach(other => other.removeAttribute("aria-sort"));
        head.setAttribute("aria-sort", down ? "descending" : "ascending");
        const value = row => row.children[column].textContent.trim();
        const number = row => { const read = parseFloat(value(row)); return Number.isNaN(read) ? -Infinity : read; };
        const order = numbers ? (a, b) => number(a) - number(b) : (a, b) => value(a).localeCompare(value(b));
        const rows = all("tbody tr", table).sort(order);
        if (down) rows.reverse();
        one("tbody", table).append(...rows);
      });
    });
  }

  // Photos that failed, of one kind of failure.
  const failures = one("#failures");
  if (failures) {
    const rows = all("tbody tr", failures), kind = row => row.children[1].textContent;
    const label = document.createElement("label"), choice = document.createElement("select");
    choice.append(new Option("all", ""), ...[...new Set(rows.map(kind))].sort().map(name => new Option(name)));
    choice.addEventListener("input", () =>
      rows.forEach(row => { row.hidden = choice.value !== "" && kind(row) !== choice.value; }));
    label.append("Kind ", choice);
    failures.parentElement.before(label);
  }

  // Precision over recall of one class.
  const curves = one("#curves");
  if (curves) {
    const data = JSON.parse(curves.textContent), choice = one("#curve-class"), line = one("#curve polyline");
    choice.append(...data.map(([name], place) => new Option(name, place)));
    const draw = () => {
      const precision = data[+choice.value][1], last = precision.length - 1;
      line.setAttribute("points", precision.map((value, place) => `${(300 * place / last).toFixed(1)},${(200 - 200 * value).toFixed(1)}`).join(" "));
      const mean = precision.reduce((sum, value) => sum + value, 0) / precision.length;
      one("#curve-ap").value = `AP50 ${mean.toFixed(3)}`;
    };
    choice.addEventListener("input", draw);
    one("#curve-part").hidden = false;
    draw();
  }
})();

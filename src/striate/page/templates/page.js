"use strict";
// The page reads and prints without this file; it adds sorting, filters, copying, enlarging and the memory of the theme.
(() => {
  const all = (selector, root = document) => [...root.querySelectorAll(selector)];
  const said = document.querySelector("[data-said]");
  const say = (words) => { said.textContent = words; };
  const button = (words, kind, label) => {
    const made = document.createElement("button");
    made.type = "button";
    made.className = kind;
    made.textContent = words;
    if (label) made.setAttribute("aria-label", label);
    return made;
  };

  // theme: remembered where the browser lets a file remember
  const memory = { get: () => { try { return localStorage.getItem("striate-theme"); } catch { return null; } },
    set: (value) => { try { localStorage.setItem("striate-theme", value); } catch { /* a file may not remember: the choice then holds for this visit */ } } };
  const chosen = document.getElementById(`theme-${memory.get()}`);
  if (chosen) chosen.checked = true;
  for (const input of all("input[name=theme]")) input.addEventListener("change", () => memory.set(input.value));

  // commands: a button that copies
  for (const block of all("[data-copy]")) {
    const code = block.querySelector("code");
    const copy = button("copy", "quick", `copy the command ${code.textContent}`);
    copy.addEventListener("click", async () => {
      try {
        await navigator.clipboard.writeText(code.textContent);
        copy.textContent = "copied";
        say("The command is copied.");
        setTimeout(() => { copy.textContent = "copy"; }, 2000);
      } catch {
        getSelection().selectAllChildren(code);
        say("The command is selected: copy it with the keyboard.");
      }
    });
    block.append(copy);
  }

  // tables: up, down, back to the order in which they are read
  for (const table of all("table[data-sortable]")) {
    const body = table.tBodies[0];
    const rows = [...body.rows];
    const heads = [...table.tHead.rows[0].cells];
    const value = (row, column) => {
      const cell = row.cells[column];
      const text = cell.dataset.value ?? cell.textContent.trim();
      return text === "" ? null : Number.isNaN(Number(text)) ? text : Number(text);
    };
    const compare = (a, b) => (a === null) - (b === null) || (typeof a === "number" && typeof b === "number" ? a - b : String(a).localeCompare(String(b), undefined, { numeric: true }));
    heads.forEach((head, column) => {
      if ("fixed" in head.dataset) return;
      const name = head.textContent.trim();
      const sort = button("↕", "sort", `sort by ${name}`);
      sort.addEventListener("click", () => {
        const next = { ascending: "descending", descending: "" }[head.getAttribute("aria-sort")] ?? "ascending";
        for (const each of heads) {
          each.removeAttribute("aria-sort");
          const sign = each.querySelector(".sort");
          if (sign) sign.textContent = "↕";
        }
        const sorted = [...rows];
        if (next) {
          head.setAttribute("aria-sort", next);
          sort.textContent = next === "ascending" ? "↑" : "↓";
          sorted.sort((a, b) => {
            const [x, y] = [value(a, column), value(b, column)];
            return x === null || y === null || next === "ascending" ? compare(x, y) : -compare(x, y);
          });
        }
        body.append(...sorted);
        say(next ? `Sorted by ${name}, ${next}.` : "In the order of the classes.");
      });
      head.append(" ", sort);
    });
  }

  // mistakes: filters by class, slice and confidence
  const form = document.querySelector("[data-filters]");
  if (form) {
    const gallery = document.querySelector("[data-gallery]");
    const tiles = all(".tile", gallery);
    const same = (own, value) => own === value;
    const fitting = { label: same, predicted: same, slices: (own, value) => own.split(" ").includes(value), confidence: (own, value) => Number(own) >= Number(value) };
    form.hidden = false;
    form.addEventListener("submit", (event) => event.preventDefault());
    form.addEventListener("change", () => {
      let shown = 0;
      const choices = all("select", form);
      for (const tile of tiles) {
        const fits = choices.every(({ name, value }) => !value || fitting[name](tile.dataset[name], value));
        tile.hidden = !fits;
        shown += fits;
      }
      if (choices.some(({ value }) => value)) for (const fold of all("details", gallery)) fold.open = true;
      form.querySelector("output").value = `${shown} of ${tiles.length} shown`;
    });
  }

  // pictures: a click shows the large one with everything known of it
  const dialog = document.getElementById("large");
  const large = dialog.querySelector("[data-large]");
  for (const tile of all(".tile")) {
    for (const pic of all(".pic", tile)) {
      const zoom = button("", "zoom", `enlarge: ${pic.getAttribute("alt") || pic.getAttribute("aria-label")}`);
      pic.replaceWith(zoom);
      zoom.append(pic);
      zoom.addEventListener("click", () => {
        const copy = tile.cloneNode(true);
        for (const inner of all(".zoom", copy)) inner.replaceWith(...inner.childNodes);
        for (const one of all("[id]", copy)) one.removeAttribute("id");
        for (const ramp of all(".ramp", copy)) ramp.remove();
        const ramp = tile.querySelector(".ramp");
        const caption = copy.querySelector("figcaption");
        if (ramp && caption) caption.before(ramp.cloneNode(true));
        const shown = all(".pic", copy);
        for (const one of shown) {  // as large as fits, by a whole factor
          const own = one.naturalWidth || one.viewBox.baseVal.width;
          const room = Math.min(innerWidth * 0.9, 712) / shown.length - 8;
          const factor = room / own;
          one.setAttribute("width", own * (factor >= 1 ? Math.min(Math.floor(factor), Math.max(1, Math.floor(512 / own))) : factor));
          one.removeAttribute("height");
        }
        large.replaceChildren(copy);
        dialog.showModal();
      });
    }
  }
  dialog.addEventListener("click", (event) => { if (event.target === dialog) dialog.close(); });

  // places inside folds: opened when led to
  const reveal = () => {
    const target = location.hash.length > 1 && document.getElementById(decodeURIComponent(location.hash.slice(1)));
    if (!target) return;
    for (let fold = target.closest("details"); fold; fold = fold.parentElement.closest("details")) fold.open = true;
    const list = target.closest(".pairs");
    if (list && list.scrollHeight > list.clientHeight) {
      const place = target.closest(".pair").offsetTop - list.offsetTop;
      list.scrollTop = place;
      list.scrollIntoView({ block: "nearest" });
    } else target.scrollIntoView({ block: "nearest" });
    target.focus({ preventScroll: true });
  };
  addEventListener("hashchange", reveal);
  reveal();

  // print: everything unfolded, then as it was
  let opened = [];
  addEventListener("beforeprint", () => {
    opened = all("details:not([open])");
    for (const fold of opened) fold.open = true;
  });
  addEventListener("afterprint", () => {
    for (const fold of opened) fold.open = false;
    opened = [];
  });

  // the results as a file
  const place = document.querySelector("[data-save]");
  const save = button("save them as report.json", "quick");
  save.addEventListener("click", () => {
    const link = document.createElement("a");
    link.href = URL.createObjectURL(new Blob([document.getElementById("results").textContent], { type: "application/json" }));
    link.download = "report.json";
    link.click();
    URL.revokeObjectURL(link.href);
  });
  place.append(save);
})();

"use strict";
const table = document.querySelector("table.users");
const parts = [...table.tBodies];
const perPart = parts.length ? parts[0].rows.length : 0;
let users = parts.flatMap((part) => [...part.rows]);
const buttons = [...table.querySelectorAll("button")];
const collator = new Intl.Collator();

// The browser lays out only the parts that are in sight. The others are as high as their rows usually are.
function show(some) {
  parts.forEach((part, number) => {
    const own = some.slice(number * perPart, (number + 1) * perPart);
    part.replaceChildren(...own);
    part.hidden = own.length === 0;
    part.style.containIntrinsicHeight = `${own.length * 4.4}rem`;
  });
}

const filter = document.getElementById("filter");
function wanted() {
  const word = filter.value.toLowerCase();
  return word === "" ? users : users.filter((user) => user.textContent.toLowerCase().includes(word));
}

// What sorts as nothing (no next date, never used) comes last, whichever way.
function compare(direction) {
  return ([a], [b]) => {
    if (a === b) return 0;
    if (a === "") return 1;
    if (b === "") return -1;
    return direction * (typeof a === "number" ? a - b : collator.compare(a, b));
  };
}

function valueOf(user, name) {
  if (name === "user") return user.cells[0].firstChild.data;
  return user.dataset[name] === "" ? "" : Number(user.dataset[name]);
}

for (const button of buttons) {
  button.addEventListener("click", () => {
    const descending = button.dataset.order === "ascending";
    for (const other of buttons) {
      delete other.dataset.order;
      other.closest("th").removeAttribute("aria-sort");
    }
    button.dataset.order = descending ? "descending" : "ascending";
    button.closest("th").ariaSort = button.dataset.order;
    const sorted = users.map((user) => [valueOf(user, button.dataset.sort), user]).sort(compare(descending ? -1 : 1));
    users = sorted.map(([, user]) => user);
    show(wanted());
  });
}

filter.addEventListener("input", () => show(wanted()));

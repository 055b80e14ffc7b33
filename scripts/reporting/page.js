"use strict";
const table = document.querySelector("table");
const users = [...table.tBodies];
const numeric = new Set(["age"]);

// What sorts as nothing (no next date, never used) comes last, whichever way.
function compare(name, direction) {
  return (one, other) => {
    const [a, b] = [one.dataset[name], other.dataset[name]];
    if (a === b) return 0;
    if (a === "") return 1;
    if (b === "") return -1;
    return direction * (numeric.has(name) ? Number(a) - Number(b) : a.localeCompare(b));
  };
}

for (const heading of table.querySelectorAll("th[data-sort]")) {
  heading.querySelector("button").addEventListener("click", () => {
    const descending = heading.ariaSort === "ascending";
    for (const other of table.querySelectorAll("th[data-sort]")) other.ariaSort = "none";
    heading.ariaSort = descending ? "descending" : "ascending";
    table.append(...users.sort(compare(heading.dataset.sort, descending ? -1 : 1)));
  });
}

document.getElementById("filter").addEventListener("input", (event) => {
  const wanted = event.target.value.toLowerCase();
  for (const user of users) user.hidden = !user.textContent.toLowerCase().includes(wanted);
});

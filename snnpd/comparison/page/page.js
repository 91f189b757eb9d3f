
// Two rows layer by layer: copies of their panels, with bars on one scale under the chosen cost model.
function draw() {
  const chosen = document.querySelector('[data-choose][aria-pressed="true"]');
  const panels = document.querySelector("#layers");
  if (!chosen || !panels) return;
  const cost = Number(chosen.dataset.choose);
  for (const select of all("select[data-side]")) {
    const panel = panels.content.querySelector(`[data-number="${select.value}"]`);
    document.querySelector(`.twin[data-side="${select.dataset.side}"]`).replaceChildren(panel.cloneNode(true));
  }
  const energy = (row) => Number(row.dataset.energy.split(" ")[cost]);
  const rows = all(".twin [data-energy]");
  const peak = Math.max(...rows.map(energy));
  for (const row of rows) {
    row.querySelector("rect").setAttribute("width", `${peak ? 100 * energy(row) / peak : 0}%`);
    row.querySelector(".amount").textContent = row.dataset.shown.split("|")[cost];
  }
  for (const text of all(".twin .together")) text.textContent = text.dataset.shown.split("|")[cost];
}

document.addEventListener("change", draw);
document.addEventListener("click", (event) => {
  if (event.target.closest("[data-choose]")) draw();
});
draw();

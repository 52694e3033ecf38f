// Copies the plan. Everything else on the page works without a script.
"use strict";

for (const button of document.querySelectorAll("[data-copy]")) {
  const said = document.getElementById("copied");
  button.hidden = false;
  button.addEventListener("click", async () => {
    const source = document.getElementById(button.dataset.copy);
    try {
      await navigator.clipboard.writeText(source.textContent);
      said.textContent = "Copied.";
    } catch {
      // Clipboards are for secure pages; what is selected can be copied by hand everywhere.
      getSelection().selectAllChildren(source);
      said.textContent = "Selected: copy it with the keyboard.";
    }
  });
}

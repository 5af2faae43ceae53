// What a page does beyond being read; without it everything can be read all the same.
"use strict";

function themeSwitch() {
  const root = document.documentElement;
  const dark = () =>
    (root.dataset.theme || (matchMedia("(prefers-color-scheme: dark)").matches ? "dark" : "light")) === "dark";
  const button = document.createElement("button");
  const named = () => (button.textContent = dark() ? "Light page" : "Dark page");
  button.type = "button";
  button.className = "theme";
  button.addEventListener("click", () => {
    root.dataset.theme = dark() ? "light" : "dark";
    named();
  });
  named();
  document.querySelector(".tools").append(button);
}

themeSwitch();

// Before the first paint, so that a light page does not flash dark. A file of its own: the page allows no inline script.
{
  const saved = localStorage.getItem("theme");
  const dark = saved ? saved === "dark" : !matchMedia("(prefers-color-scheme: light)").matches;
  document.documentElement.dataset.theme = dark ? "dark" : "light";
}

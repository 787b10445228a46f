// Tips for the marks of plots, by mouse and by touch. The page is complete without them.
(function () {
  "use strict";
  var tip = document.getElementById("tip");
  var reach = 28, touched = null;

  function hide() {
    tip.hidden = true;
    if (touched) touched.classList.remove("touched");
    touched = null;
  }

  function nearest(svg, x, y) {
    var best = null, bestDistance = reach;
    svg.querySelectorAll("circle[data-t]").forEach(function (mark) {
      var box = mark.getBoundingClientRect();
      var distance = Math.hypot(box.left + box.width / 2 - x, box.top + box.height / 2 - y);
      if (distance < bestDistance) { bestDistance = distance; best = mark; }
    });
    return best;
  }

  function show(event) {
    var svg = event.target.closest ? event.target.closest("svg.plot") : null;
    if (!svg) return hide();
    var mark = event.target.closest("[data-t]") || nearest(svg, event.clientX, event.clientY);
    if (!mark) return hide();
    if (mark !== touched) {
      hide();
      touched = mark;
      mark.classList.add("touched");
      tip.textContent = mark.dataset.t;
    }
    tip.hidden = false;
    var left = Math.min(event.clientX + 14, window.innerWidth - tip.offsetWidth - 6);
    var top = event.clientY - tip.offsetHeight - 12;
    tip.style.left = Math.max(6, left) + "px";
    tip.style.top = (top < 6 ? event.clientY + 18 : top) + "px";
  }

  document.addEventListener("pointermove", show);
  document.addEventListener("pointerdown", show);
  document.addEventListener("scroll", hide, { passive: true });
  document.addEventListener("keydown", function (event) { if (event.key === "Escape") hide(); });
})();

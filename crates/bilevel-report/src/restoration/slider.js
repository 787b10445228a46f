// A slider over before and after. Without it they stand side by side.
(function () {
  "use strict";
  document.querySelectorAll(".compare").forEach(function (box) {
    var images = box.querySelectorAll("img");
    if (images.length !== 2) return;
    var stage = document.createElement("div"), bar = document.createElement("div"), range = document.createElement("input");
    stage.className = "stage";
    bar.className = "divider";
    range.type = "range"; range.min = 0; range.max = 100; range.step = 0.1; range.value = 50;
    range.setAttribute("aria-label", "before on the left, after on the right");
    stage.appendChild(images[1].cloneNode());
    stage.appendChild(images[0].cloneNode());
    stage.appendChild(bar);
    var over = stage.children[1];
    function place(value) {
      over.style.clipPath = "inset(0 " + (100 - value) + "% 0 0)";
      bar.style.left = value + "%";
      range.value = value;
    }
    function point(event) {
      var frame = stage.getBoundingClientRect();
      place(Math.max(0, Math.min(100, 100 * (event.clientX - frame.left) / frame.width)));
    }
    range.addEventListener("input", function () { place(range.value); });
    stage.addEventListener("pointerdown", function (event) { stage.setPointerCapture(event.pointerId); point(event); });
    stage.addEventListener("pointermove", function (event) { if (event.buttons) point(event); });
    box.insertBefore(range, box.firstChild);
    box.insertBefore(stage, box.firstChild);
    box.classList.add("sliding");
    place(50);
  });
})();

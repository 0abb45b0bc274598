for (const track of document.querySelectorAll(".track")) {
  const audio = track.querySelector("audio");
  const wave = track.querySelector("svg");
  const head = wave.querySelector(".head");
  const draw = () => {
    const x = audio.duration ? (audio.currentTime / audio.duration) * wave.viewBox.baseVal.width : 0;
    head.setAttribute("x1", x);
    head.setAttribute("x2", x);
    if (!audio.paused) requestAnimationFrame(draw);
  };
  audio.addEventListener("play", draw);
  audio.addEventListener("seeked", draw);
  wave.addEventListener("click", (event) => {
    const box = wave.getBoundingClientRect();
    audio.currentTime = ((event.clientX - box.left) / box.width) * (audio.duration || 0);
    audio.play();
  });
}

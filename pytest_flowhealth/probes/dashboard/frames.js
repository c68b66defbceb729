// What the page's own clock tells: frames, long tasks, the largest paint. Runs before the page's code.

globalThis.flowhealth = (() => {
  const tasks = [];
  let paint = null;
  const observe = (type, see) => {
    try {
      new PerformanceObserver((list) => list.getEntries().forEach(see)).observe({ type, buffered: true });
    } catch {
      // This browser does not tell it: then it is absent.
    }
  };
  observe("longtask", (entry) => tasks.push(entry.duration));
  observe("largest-contentful-paint", (entry) => { paint = entry.startTime; });

  return {
    // Resolve with the time between each two frames of the next `seconds`.
    frames: (seconds) => new Promise((resolve) => {
      const moments = [];
      const end = performance.now() + 1000 * seconds;
      const done = () => resolve({
        frames: moments.slice(1).map((moment, index) => moment - moments[index]),
        tasks,
        paint,
        visible: document.visibilityState === "visible",
      });
      // A page that draws no frame at all still comes to an end.
      const late = setTimeout(done, 1000 * seconds + 2000);
      // Not the frame's own time stamp: that is when it was due, however late it is drawn.
      const step = () => {
        const now = performance.now();
        moments.push(now);
        if (now < end) requestAnimationFrame(step);
        else { clearTimeout(late); done(); }
      };
      requestAnimationFrame(step);
    }),
  };
})();

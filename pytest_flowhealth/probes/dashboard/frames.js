// What the page's own clock tells: frames, long tasks, the largest paint. Runs before the page's
// code and is called with how many seconds to look; `flowhealthTold` takes what was seen.

((seconds) => {
  if (window.top !== window) return;
  // As they are now: the page may change them.
  const told = globalThis.flowhealthTold;
  const frame = requestAnimationFrame.bind(window);
  const later = setTimeout.bind(window);
  const clock = performance.now.bind(performance);
  const { stringify } = JSON;
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

  const look = () => {
    const moments = [];
    const end = clock() + 1000 * seconds;
    let done = false;
    const finish = () => {
      if (done) return;
      done = true;
      const frames = moments.slice(1).map((moment, index) => moment - moments[index]);
      told(stringify({ frames, tasks, paint, visible: document.visibilityState === "visible" }));
    };
    const step = () => {
      // Not the frame's own time stamp: that is when it was due, however late it is drawn.
      moments.push(clock());
      if (moments.at(-1) < end) frame(step);
      else finish();
    };
    // A page that draws no frame at all still comes to an end.
    later(finish, 1000 * seconds + 2000);
    frame(step);
  };
  if (document.readyState === "complete") look();
  else addEventListener("load", look);
})

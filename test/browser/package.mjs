// Plays a package in a real browser by the page of the key server, and prints what was seen: node package.mjs CHROMIUM JSON. JSON is {url, picture, wrong}: the
// address that `darkroom play` prints, where to put a picture of the page, and whether the keys that the server gives are spoilt on their way; with {url, types}, which
// types of media the browser plays is all that is asked.
import { chromium } from 'playwright-core';

const [, , executablePath, given] = process.argv;
const { url, picture, wrong, types } = JSON.parse(given);
const browser = await chromium.launch({
  executablePath,
  args: ['--headless', '--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run', '--disable-background-networking',
    '--disable-component-update', '--disable-sync', '--autoplay-policy=no-user-gesture-required'],
});
try {
  // The authority of the server is one of the test's own.
  const context = await browser.newContext({ ignoreHTTPSErrors: true, viewport: { width: 800, height: 600 } });
  const page = await context.newPage();
  const requests = [];
  context.on('request', (r) => requests.push(new URL(r.url()).pathname));
  if (wrong) {
    await page.route(/\/clearkey$|\/keys\/[0-9a-f-]{36}$/, async (route) => {
      const response = await route.fetch();
      let body = await response.body();
      if (route.request().method() === 'POST') {
        const set = JSON.parse(body.toString());
        for (const k of set.keys) k.k = (k.k[0] === 'A' ? 'B' : 'A') + k.k.slice(1);
        body = Buffer.from(JSON.stringify(set));
      } else {
        body = Buffer.from(body);
        body[0] ^= 1;
      }
      await route.fulfill({ response, body });
    });
  }
  await page.goto(url);
  if (types) {
    console.log(JSON.stringify(await page.evaluate((all) => all.map((t) => MediaSource.isTypeSupported(t)), types)));
  } else {
    console.log(JSON.stringify(await play(page, requests)));
  }
  await page.unrouteAll({ behavior: 'ignoreErrors' });
} finally {
  await browser.close();
}

async function play(page, requests) {
  // To the end, or to an error; a player that waits for what never comes is given so long.
  const seen = await page.evaluate((limit) => Promise.race([
    window.darkroom.played,
    new Promise((resolve) => setTimeout(() => resolve(null), limit)),
  ]), wrong ? 8000 : 60000);
  const result = await page.evaluate(() => {
    const { video, seen } = window.darkroom;
    const q = video.getVideoPlaybackQuality();
    return { ...seen, frames: q.totalVideoFrames, dropped: q.droppedVideoFrames, duration: video.duration, time: video.currentTime, sound: video.webkitAudioDecodedByteCount };
  });
  result.ended = seen !== null;
  if (!wrong && result.ended) {
    // What a viewer does with it, from the beginning again: the page was given the token already.
    await page.reload();
    const count = requests.length;
    const doings = await page.evaluate(async () => {
      const { video, seen } = window.darkroom;
      const until = async (what, test) => {
        const deadline = performance.now() + 15000;
        while (!test()) {
          if (document.getElementById('state').className === 'failed') throw new Error(what + ': ' + seen.errors);
          if (performance.now() > deadline) {
            const tracks = [...video.textTracks].map((t) => t.label + ' ' + t.mode + ' ' + (t.cues ? t.cues.length : 0));
            throw new Error('it never came to this: ' + what + '; at ' + video.currentTime + ', ' + video.videoWidth + ' wide, ready ' + video.readyState + ', text ' + tracks);
          }
          await new Promise(requestAnimationFrame);
        }
      };
      await until('it plays', () => window.darkroom.player && video.currentTime > 0);
      const { player } = window.darkroom;
      const hls = seen.player.startsWith('hls.js');
      const seek = async (to) => {
        video.currentTime = to;
        await until('sought ' + to, () => !video.seeking && video.readyState >= 2);
      };
      // Browsers show what they have decoded until they play on.
      const show = async (width) => {
        await seek(0.6);
        await video.play();
        if (hls) {
          player.currentLevel = player.levels.findIndex((l) => l.width === width);
        } else {
          player.configure({ abr: { enabled: false } });
          const sound = player.getAudioTracks().find((a) => a.active);
          player.selectVariantTrack(player.getVariantTracks().find((t) => t.width === width && (!sound || t.language === sound.language)), true);
        }
        await until('the picture is ' + width + ' wide', () => video.videoWidth === width && video.readyState >= 2 && !video.seeking);
        video.pause();
      };
      // Captions first: Shaka Player waits with them for the next segment of a picture, which does not come when all is there that was sought.
      if (hls) {
        player.subtitleDisplay = true;
        player.subtitleTrack = 0;
      } else {
        player.selectTextTrack(player.getTextTracks()[0]);
      }
      const cues = () => [...video.textTracks].flatMap((t) => [...(t.cues || [])].map((c) => c.text.trim()));
      await until('there are captions', () => cues().includes('A caption.'));
      const captions = cues();
      for (const t of video.textTracks) t.mode = 'disabled';
      if (hls) player.subtitleTrack = -1; else player.selectTextTrack(null);
      const widths = [...new Set((hls ? player.levels : player.getVariantTracks()).map((l) => l.width))].sort((a, b) => a - b);
      video.pause();
      await seek(1.1);
      const sought = video.currentTime;
      for (const width of widths) await show(width);
      await show(widths[0]);
      // The other sound.
      const sounds = hls ? player.audioTracks : player.getAudioTracks();
      const other = sounds.findIndex((s, i) => (hls ? i !== player.audioTrack : !s.active));
      if (hls) {
        player.audioTrack = other;
        await until('the other sound', () => player.audioTrack === other);
      } else {
        player.selectAudioTrack(sounds[other]);
        await until('the other sound', () => player.getAudioTracks().some((s) => s.active && s.language === sounds[other].language));
      }
      const decoded = video.webkitAudioDecodedByteCount;
      const from = video.currentTime;
      await video.play();
      await until('it plays on', () => video.currentTime > from + 0.4 && video.webkitAudioDecodedByteCount > decoded);
      video.pause();
      // A picture of the page, of the widest rendition, without the controls.
      await show(widths[widths.length - 1]);
      let at = 0;
      const shown = (_, frame) => {
        at = frame.mediaTime;
        video.requestVideoFrameCallback(shown);
      };
      video.requestVideoFrameCallback(shown);
      await seek(2.5);
      await until('the picture at 2.5 s', () => Math.abs(at - 2.5) < 0.2);
      video.controls = false;
      await new Promise((resolve) => requestAnimationFrame(() => requestAnimationFrame(resolve)));
      return { widths, sought, language: sounds[other].language || sounds[other].lang, cues: captions };
    }).catch((e) => { throw new Error(e.message + '; asked for ' + requests.slice(count)); });
    Object.assign(result, doings);
    result.later = requests.slice(count);
    await page.locator('video').screenshot({ path: picture });
  }
  result.requests = requests;
  return result;
}

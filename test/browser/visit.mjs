// Opens the page of the key server's player in a real browser and prints what it saw: node visit.mjs CHROMIUM URL [MILLISECONDS]
import { chromium } from 'playwright-core';

const [, , executablePath, url, limit = '60000'] = process.argv;
const browser = await chromium.launch({
  executablePath,
  args: ['--headless', '--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run', '--disable-background-networking',
    '--disable-component-update', '--disable-sync', '--autoplay-policy=no-user-gesture-required'],
});
try {
  const context = await browser.newContext({ ignoreHTTPSErrors: true });
  const page = await context.newPage();
  const outside = [];
  const violations = [];
  page.on('request', (r) => { if (!r.url().startsWith(new URL(url).origin) && !/^(data|blob):/.test(r.url())) outside.push(r.url()); });
  page.on('console', (m) => { if (/Content Security Policy/.test(m.text())) violations.push(m.text()); });
  await page.goto(url);
  const ended = page.evaluate(() => window.darkroom.played);
  let timer;
  const late = new Promise((resolve) => { timer = setTimeout(resolve, Number(limit), null); });
  const seen = await Promise.race([ended, late]) ?? await page.evaluate(() => {
    const { seen, video } = window.darkroom;
    return { ...seen, frames: video.getVideoPlaybackQuality().totalVideoFrames, time: video.currentTime, late: true };
  });
  clearTimeout(timer); // which would keep the program from ending
  console.log(JSON.stringify({ ...seen, outside, violations, address: page.url() }));
} finally {
  await browser.close();
}

// Plays an HLS package in a real browser with hls.js and prints what was seen: node play.mjs CHROMIUM URL-OF-PAGE
import { chromium } from 'playwright-core';

const [, , executablePath, url] = process.argv;
const browser = await chromium.launch({
  executablePath,
  args: ['--headless', '--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run', '--disable-background-networking',
    '--disable-component-update', '--disable-sync', '--autoplay-policy=no-user-gesture-required'],
});
try {
  const page = await browser.newPage();
  await page.goto(url);
  const seen = await page.evaluate(() => window.played);
  console.log(JSON.stringify(seen));
} finally {
  await browser.close();
}

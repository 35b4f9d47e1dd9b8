// Carries out a script of operations with the SDK for JavaScript and prints what it got: node client.mjs SCRIPT VARIABLES
// Both are JSON: SCRIPT is a list of {call, input, keep}, VARIABLES are the values of the words in input that begin with $.
import { readFileSync } from 'node:fs';
import * as mc from '@aws-sdk/client-mediaconvert';

const steps = JSON.parse(readFileSync(process.argv[2], 'utf8'));
const variables = JSON.parse(process.argv[3]);
const c = new mc.MediaConvertClient({ endpoint: process.env.AWS_ENDPOINT_URL, region: process.env.AWS_REGION });

const fill = (v) => {
  if (typeof v === 'string') return v.startsWith('$') ? variables[v] : v;
  if (Array.isArray(v)) return v.map(fill);
  if (v && typeof v === 'object') return Object.fromEntries(Object.entries(v).map(([k, x]) => [k, fill(x)]));
  return v;
};
const send = async (name, input) => {
  const { $metadata, ...out } = await c.send(new mc[`${name}Command`](input));
  return out;
};
const results = [];
for (const step of steps) {
  const input = fill(step.input ?? {});
  try {
    let output;
    do {
      output = await send(step.call, input);
      if (step.until) await new Promise((r) => setTimeout(r, 100));
    } while (step.until && !step.until.includes(output.Job.Status));
    for (const [name, path] of Object.entries(step.keep ?? {})) variables[name] = path.reduce((o, k) => o[k], output);
    results.push({ output });
  } catch (e) {
    results.push({ error: e.name, message: e.message });
  }
}
console.log(JSON.stringify(results));

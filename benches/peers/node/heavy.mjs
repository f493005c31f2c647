// The tasks of Piscina's worker threads.
import { move } from 'piscina';
export { burn } from './burn.mjs';

const decoder = new TextDecoder();
const encoder = new TextEncoder();

export function json(body) {
  return move(encoder.encode(JSON.stringify(JSON.parse(decoder.decode(body)))));
}

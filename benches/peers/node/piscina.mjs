// The app on Express, with its heavy work in Piscina's worker threads. For more settings see common.mjs.
//
// From Piscina's docs, https://github.com/piscinajs/piscina#performance-notes and #class-piscina:
// - As many threads as cores, all of them always there: idle ones that end and start again cost more.
// - niceIncrement is the 20 of the docs' example. It keeps the threads from taking the event loop's CPU time.
// - Large values are moved between threads instead of cloned.
// - Passwords are hashed without Piscina: for what libuv does on its own threads, the docs expect nothing from a move.
// - The queue has no limit (the default), as no other peer refuses requests. The docs' "auto" would refuse the fifth
//   waiting request on two cores.
import express from 'express';
import Piscina from 'piscina';
import './burn.mjs';
import { BODY_LIMIT, CORES, announce, createApp, endWithStandardInput, listen, milliseconds } from './common.mjs';

endWithStandardInput();

const pool = new Piscina({
  filename: new URL('./heavy.mjs', import.meta.url).href,
  minThreads: CORES,
  maxThreads: CORES,
  niceIncrement: 20,
});

const anyJson = express.raw({ type: 'application/json', limit: BODY_LIMIT });

const app = createApp((app) => {
  app.get('/burn', async (request, response) => {
    await pool.run(milliseconds(request), { name: 'burn' });
    response.send('burnt');
  });
  app.post('/json', anyJson, async (request, response) => {
    const body = request.body;
    if (body === undefined) return response.sendStatus(400);
    // A small buffer may be a part of Node's shared one, which cannot be moved.
    const own = body.byteLength === body.buffer.byteLength;
    const json = await pool.run(body, { name: 'json', transferList: own ? [body.buffer] : [] });
    response.type('json').send(json);
  });
});

// The threads start in the background. The first requests should find all of them ready.
await Promise.all(Array.from({ length: CORES }, () => pool.run(100, { name: 'burn' })));
listen(app, announce);

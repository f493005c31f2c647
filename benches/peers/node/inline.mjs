// The heavy routes as Express handlers are usually written: they compute on the event loop.
import express from 'express';
import { burn } from './burn.mjs';
import { BODY_LIMIT, createApp, milliseconds } from './common.mjs';

// Not strict, because any JSON value is welcome, not only objects and arrays.
const anyJson = express.json({ limit: BODY_LIMIT, strict: false });

export const app = createApp((app) => {
  app.get('/burn', (request, response) => {
    burn(milliseconds(request));
    response.send('burnt');
  });
  app.post('/json', anyJson, (request, response) => {
    if (request.body === undefined) return response.sendStatus(400);
    response.json(request.body);
  });
});

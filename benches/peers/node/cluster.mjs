// The app on Express in one process per core, with its heavy work inline. For more settings see common.mjs.
//
// As many workers as cores, and connections dealt out round robin (the default), as in
// https://nodejs.org/docs/latest-v20.x/api/cluster.html
// and https://expressjs.com/en/advanced/best-practice-performance.html#run-your-app-in-a-cluster
import cluster from 'node:cluster';
import './burn.mjs';
import { CORES, announce, endWithStandardInput, listen } from './common.mjs';

// Each process watches the same standard input, so that none outlives the harness.
endWithStandardInput();

if (cluster.isPrimary) {
  let starting = CORES;
  cluster.on('listening', (worker, address) => {
    if (--starting === 0) announce(address.port);
  });
  for (let i = 0; i < CORES; i++) cluster.fork();
  process.once('SIGTERM', () => {
    // It ends last, so that what the workers have used is accounted for as its own.
    cluster.on('exit', () => {
      if (Object.keys(cluster.workers).length === 0) process.exit();
    });
    for (const worker of Object.values(cluster.workers)) worker.process.kill('SIGTERM');
  });
} else {
  const { app } = await import('./inline.mjs');
  listen(app);
}

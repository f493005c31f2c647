// The app on Express in one process, with its heavy work inline. For settings see common.mjs.
import { announce, endWithStandardInput, listen } from './common.mjs';
import { app } from './inline.mjs';

endWithStandardInput();
listen(app, announce);

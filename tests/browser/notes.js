// Runs before anything else in a page: notes what goes wrong there.

globalThis.notes = [];
addEventListener("error", (event) => notes.push(`error: ${event.message ?? event.target}`), true);
addEventListener("unhandledrejection", (event) => notes.push(`unhandled: ${event.reason}`));
addEventListener("securitypolicyviolation", (event) => notes.push(`policy: ${event.violatedDirective} ${event.blockedURI}`));

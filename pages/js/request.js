// Asking the JSON endpoints. The session's cookie goes along by itself; when it is over, the page asks to log in again.

const settings = document.documentElement.dataset;
export const apiPath = settings.api;

const patience = 20000; // ms; a report has 15 s

class Failure extends Error {
    constructor(status, detail) {
        super(detail);
        this.status = status; // 0 = no answer at all
    }
}

// `signal` ends the question early; nobody waits for its answer then, and it fails like any other.
export async function ask(path, parameters = {}, signal = null) {
    const query = new URLSearchParams(Object.entries(parameters).filter(([, value]) => value !== "" && value != null));
    const address = apiPath + path + (query.size ? `?${query}` : "");
    const inTime = AbortSignal.timeout(patience);
    let answer;
    try {
        answer = await fetch(address, {headers: {accept: "application/json"}, cache: "no-store", signal: signal ? AbortSignal.any([signal, inTime]) : inTime});
    } catch (broken) {
        throw new Failure(0, broken.name === "TimeoutError" ? "no answer within 20 s" : "no connection");
    }
    const type = answer.headers.get("content-type") || "";
    const body = type.includes("json") ? await answer.json().catch(() => null) : null;
    if (answer.status === 401) {
        location.reload(); // the session is over: the page answers with the login
        throw new Failure(401, "The session is over.");
    }
    if (!answer.ok || body === null) throw new Failure(answer.status, (body && body.detail) || `status ${answer.status}`);
    return body;
}

// What to do next, in words.
export function advice({status, message}) {
    const said = /[.!?]$/.test(message) ? message : `${message}.`;
    if (status === 503)
        return `${said} aimeter goes on passing and metering requests, and the figures come back by themselves once Redis is reachable. More: curl ${location.origin}${apiPath}/readyz`;
    if (status === 0) return `aimeter does not answer: ${said} Check that it runs; this page tries again by itself.`;
    if (status === 400) return `The question was refused: ${said}`;
    return `aimeter answered with an error (${status}): ${said} Its log says why.`;
}

// A line to try, for a dashboard that has nothing to show yet.
export function curlLine() {
    const origin = settings.proxy || location.origin;
    return `curl -X ${settings.method} ${origin}${settings.path} -H 'content-type: application/json' -d '{"prompt":"hello"}'`;
}

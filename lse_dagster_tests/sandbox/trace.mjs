// Traces with LangSmith's JavaScript SDK as an application does. Arguments: endpoint, key, project, mode, start (ms).
// Prints one line of JSON: the ids.
import { Client, RunTree } from "langsmith";

const [apiUrl, apiKey, project_name, mode, start] = process.argv.slice(2);
const client = new Client({ apiUrl, apiKey, autoBatchTracing: mode !== "single", traceBatchConcurrency: 1 });
const begin = Number(start);

const root = new RunTree({
  name: "root", run_type: "chain", client, project_name, start_time: begin,
  inputs: { question: "Größe? 日本" }, tags: ["js"], extra: { metadata: { thread_id: "t" } },
  ...(mode === "multipart" ? { attachments: { "note": ["text/plain", new TextEncoder().encode("hello")] } } : {}),
});
await root.postRun();
const child = root.createChild({ name: "child", run_type: "llm", start_time: begin + 250, inputs: { n: 1 } });
await child.postRun();
child.addEvent({ name: "new_token", time: begin + 400, kwargs: { token: "a" } });
await child.end({ text: "a" }, undefined, begin + 900);
await child.patchRun();
const failed = root.createChild({ name: "failed", run_type: "tool", start_time: begin + 950, inputs: {} });
await failed.postRun();
await failed.end(undefined, "it broke", begin + 990);
await failed.patchRun();
await client.awaitPendingTraceBatches(); // what follows is a patch of what has arrived
await root.end({ answer: 42 }, undefined, begin + 1500);
await root.patchRun();
await client.awaitPendingTraceBatches();
const feedback = await client.createFeedback(root.id, "resolved", {
  score: 1, sessionId: (await client.readProject({ projectName: project_name })).id,
});
console.log(JSON.stringify({ root: root.id, child: child.id, failed: failed.id, feedback: feedback.id }));

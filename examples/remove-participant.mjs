// A bot that removes somebody from a call, by Microsoft's own SDK for JavaScript.
//
//     npm install @microsoft/microsoft-graph-client @azure/identity
//     node remove-participant.mjs                        who is in which call
//     node remove-participant.mjs CALL PARTICIPANT       remove one of them
//
// Microsoft Graph is another address, GRAPH_URL; nothing else differs from a bot for Teams. On a
// developer's machine the variables are those that `tenantcfg serve --dev-issuer` tells.

import { ClientSecretCredential } from "@azure/identity";
import { Client, GraphError } from "@microsoft/microsoft-graph-client";
import { TokenCredentialAuthenticationProvider } from "@microsoft/microsoft-graph-client/authProviders/azureTokenCredentials/index.js";

const env = process.env;
const credential = new ClientSecretCredential(
  env.AZURE_TENANT_ID,
  env.AZURE_CLIENT_ID,
  env.AZURE_CLIENT_SECRET,
  { authorityHost: env.AZURE_AUTHORITY_HOST, disableInstanceDiscovery: true },
);
const graph = Client.initWithMiddleware({
  baseUrl: env.GRAPH_URL,
  // To any other host than Microsoft's the SDK sends no token, and does not say so.
  customHosts: new Set([new URL(env.GRAPH_URL).hostname]),
  authProvider: new TokenCredentialAuthenticationProvider(credential, {
    scopes: [env.GRAPH_SCOPE],
  }),
});

// A caller encodes ids itself: the SDK does not.
const participantsOf = (call) =>
  `/communications/calls/${encodeURIComponent(call)}/participants`;

async function show() {
  const calls = await graph.api("/communications/calls").get();
  for (const call of calls.value) {
    let next = participantsOf(call.id);
    while (next) {
      const page = await graph.api(next).get();
      for (const one of page.value) {
        // The kinds of people differ in which one is there.
        const { user, guest, phone, application, device } = one.info.identity;
        const who = user ?? guest ?? phone ?? application ?? device;
        console.log(call.id, one.id, who?.displayName ?? "");
      }
      next = page["@odata.nextLink"];
    }
  }
}

async function remove(call, participant) {
  await graph.api(`${participantsOf(call)}/${encodeURIComponent(participant)}`).delete();
  console.log("removed");
}

try {
  const words = process.argv.slice(2);
  await (words.length > 0 ? remove(...words) : show());
} catch (why) {
  if (!(why instanceof GraphError)) throw why;
  console.log(`${why.statusCode} ${why.code}: ${why.message}`);
  console.log("request-id:", why.requestId);
  process.exitCode = 1;
}

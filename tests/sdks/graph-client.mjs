// All that a bot does with the participants of a call, by Microsoft's SDK for JavaScript.
//
// graph-client.mjs TOKENS CALL: TOKENS is how it comes by a token, azure or msal. Prints objects in
// JSON, one a line.

import { Client, GraphError } from "@microsoft/microsoft-graph-client";

const env = process.env;
const [tokens, call] = process.argv.slice(2);
const scopes = [env.GRAPH_SCOPE];
const say = (what) => console.log(JSON.stringify(what));

async function byAzure() {
  const { ClientSecretCredential } = await import("@azure/identity");
  const { TokenCredentialAuthenticationProvider } = await import(
    "@microsoft/microsoft-graph-client/authProviders/azureTokenCredentials/index.js"
  );
  const credential = new ClientSecretCredential(
    env.AZURE_TENANT_ID,
    env.AZURE_CLIENT_ID,
    env.AZURE_CLIENT_SECRET,
    { authorityHost: env.AZURE_AUTHORITY_HOST, disableInstanceDiscovery: true },
  );
  return new TokenCredentialAuthenticationProvider(credential, { scopes });
}

async function byMsal() {
  const { ConfidentialClientApplication } = await import("@azure/msal-node");
  const app = new ConfidentialClientApplication({
    auth: {
      clientId: env.AZURE_CLIENT_ID,
      clientSecret: env.AZURE_CLIENT_SECRET,
      authority: `${env.AZURE_AUTHORITY_HOST}/${env.AZURE_TENANT_ID}`,
      knownAuthorities: [new URL(env.AZURE_AUTHORITY_HOST).host],
    },
  });
  return {
    getAccessToken: async () => (await app.acquireTokenByClientCredential({ scopes })).accessToken,
  };
}

const graph = Client.initWithMiddleware({
  baseUrl: env.GRAPH_URL,
  customHosts: new Set([new URL(env.GRAPH_URL).hostname]),
  authProvider: await (tokens === "azure" ? byAzure() : byMsal()),
});
const list = `/communications/calls/${encodeURIComponent(call)}/participants`;
const one = (id, version = "v1.0") =>
  graph.api(`${list}/${encodeURIComponent(id)}`).version(version);

const calls = await graph.api("/communications/calls").get();
say({ calls: calls.value.map((each) => [each.id, each.state, each.subject]) });
const listed = (await graph.api(list).get()).value;
say({ listed: listed.map((each) => each.id) });
say({ guest: listed[0].info.identity.guest.displayName });
say({ user: listed[1].info.identity.user.displayName, muted: listed[1].isMuted });

let page = await graph.api(list).top(2).get();
const pages = [page.value.map((each) => each.id)];
while (page["@odata.nextLink"]) {
  page = await graph.api(page["@odata.nextLink"]).get();
  pages.push(page.value.map((each) => each.id));
}
say({ pages });

const last = listed.at(-1).id;
say({ read: (await one(last).get()).id });
say({ removed: (await one(last).delete()) ?? null });
try {
  await one(last).delete();
} catch (why) {
  if (!(why instanceof GraphError)) throw why;
  say({
    error: [why.statusCode, why.code, JSON.parse(why.body).innerError.code],
    message: why.message,
    same_id: why.headers.get("request-id") === why.requestId,
    request_id: why.requestId,
  });
}
const twin = `/app/calls/${encodeURIComponent(call)}/participants/${encodeURIComponent(listed[0].id)}`;
say({ removed_by_app: (await graph.api(twin).version("beta").delete()) ?? null });

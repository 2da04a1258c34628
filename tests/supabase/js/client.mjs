// The official JavaScript client, unchanged, against the embedded Supabase.
// Reads {url, anonKey, email, password, invited: {email, token}} as JSON from standard input; says "joined <user id>" once it listens to the user's channel,
// then waits for a portfolio and three changes of an order, and ends with "ok" or with the reason.
import assert from "node:assert/strict";
import { createInterface } from "node:readline";
import { createClient } from "@supabase/supabase-js";
import ws from "ws";

const input = createInterface({ input: process.stdin })[Symbol.asyncIterator]();
const { url, anonKey, email, password, invited } = JSON.parse((await input.next()).value);
const options = { realtime: { transport: ws }, auth: { persistSession: false, autoRefreshToken: false } };
const supabase = createClient(url, anonKey, options);

async function ok(answer) {
  const { data, error } = await answer;
  assert.equal(error, null, error?.message);
  return data;
}

// Auth
const { user } = await ok(supabase.auth.signUp({ email, password, options: { data: { desk: "night" } } }));
assert.deepEqual(user.user_metadata, { desk: "night" });
assert.equal((await supabase.auth.signUp({ email, password })).error.code, "user_already_exists");
await supabase.auth.signOut();
assert.equal(
  (await supabase.auth.signInWithPassword({ email, password: "wrong wrong" })).error.code,
  "invalid_credentials",
);
const first = await ok(supabase.auth.signInWithPassword({ email, password }));
const second = await ok(supabase.auth.refreshSession());
assert.notEqual(second.session.refresh_token, first.session.refresh_token);
assert.equal((await ok(supabase.auth.getUser())).user.id, user.id);
const { claims } = await ok(supabase.auth.getClaims());
assert.equal(claims.sub, user.id);
assert.equal(claims.aal, "aal1");
assert.equal(claims.aud, "authenticated");

// A one-time link, followed by a password
const guest = createClient(url, anonKey, options);
const link = await ok(guest.auth.verifyOtp({ token_hash: invited.token, type: "invite" }));
assert.equal(link.user.email, invited.email);
await ok(guest.auth.updateUser({ password }));
assert.equal((await guest.auth.verifyOtp({ token_hash: invited.token, type: "invite" })).error.code, "otp_expired");
await ok(guest.auth.signInWithPassword({ email: invited.email, password }));

// REST under row-level security
const row = { user_id: user.id, session_name: "London", strategy_config: { symbol: "BTCUSDT" } };
const created = await ok(supabase.from("trading_sessions").insert(row).select().single());
await ok(supabase.from("trading_sessions").update({ session_name: "New York" }).eq("id", created.id));
const found = await ok(supabase.from("trading_sessions").select("session_name,total_pnl::text"));
assert.deepEqual(found, [{ session_name: "New York", total_pnl: "0.00000000" }]);
const others = await supabase.from("trading_sessions").insert({ ...row, user_id: crypto.randomUUID() });
assert.equal(others.error.code, "42501");

// Broadcast and presence on a public channel, with acknowledgement
const peer = createClient(url, anonKey, options);
const subscribe = (channel) =>
  new Promise((resolve, reject) =>
    channel.subscribe((state, error) => {
      if (state === "SUBSCRIBED") resolve(channel);
      else if (state === "CHANNEL_ERROR" || state === "TIMED_OUT") reject(error ?? new Error(state));
    }),
  );
const room = supabase.channel("room", { config: { broadcast: { ack: true, self: true }, presence: { key: "me" } } });
const heard = { here: [], there: [], present: [] };
room.on("broadcast", { event: "hello" }, (message) => heard.here.push(message.payload));
room.on("presence", { event: "sync" }, () => heard.present.push(Object.keys(room.presenceState())));
const there = peer.channel("room");
there.on("broadcast", { event: "hello" }, (message) => heard.there.push(message.payload));
await subscribe(room);
await subscribe(there);
assert.equal(await room.track({ at: "desk" }), "ok");
assert.equal(await room.send({ type: "broadcast", event: "hello", payload: { name: "Zoë", n: 1 } }), "ok");
await until(
  () => heard.here.length === 1 && heard.there.length === 1 && heard.present.some((keys) => keys.includes("me")),
);
assert.deepEqual(heard.there, [{ name: "Zoë", n: 1 }]);
assert.deepEqual(heard.here, heard.there);
await peer.removeAllChannels();

// The private channel of the user's money rows
await supabase.realtime.setAuth();
const changes = [];
const own = supabase.channel(`user:${user.id}`, { config: { private: true } });
own.on("broadcast", { event: "*" }, (message) => changes.push(message));
await subscribe(own);
const foreign = supabase.channel(`user:${crypto.randomUUID()}`, { config: { private: true } });
await assert.rejects(subscribe(foreign), /permissions/);
await supabase.removeChannel(foreign);
console.log(`joined ${user.id}`);
await until(() => changes.length >= 4);
assert.deepEqual(
  changes.map((change) => change.event),
  ["portfolios", "orders", "orders", "orders"],
);
assert.deepEqual(
  changes.map((change) => change.payload.seq),
  [1, 2, 3, 4],
);
assert.equal(changes[1].payload.row.price, "123456789012.12345678");
assert.deepEqual(
  changes.slice(1).map((change) => change.payload.row.filled_quantity),
  ["0.00000000", "0.00000001", "0.12345678"],
);

await supabase.removeAllChannels();
await supabase.auth.signOut();
console.log("ok");
process.exit(0);

async function until(condition) {
  for (const end = Date.now() + 10_000; !condition(); ) {
    assert.ok(Date.now() < end, `not within 10 s: ${condition}`);
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
}

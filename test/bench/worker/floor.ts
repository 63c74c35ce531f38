import { DurableObject } from "cloudflare:workers";
import { Hono } from "hono";

interface Env {
  FLOOR: DurableObjectNamespace<Floor>;
  WEBHOOK_URL: string;
}

interface Steps {
  insert: boolean;
  fetch: boolean;
}

/** The least that a spawn could be: one object, one row, one webhook. It decides, checks and signs nothing. */
export class Floor extends DurableObject<Env> {
  constructor(ctx: DurableObjectState, env: Env) {
    super(ctx, env);
    ctx.storage.sql.exec("CREATE TABLE IF NOT EXISTS spawns (id TEXT PRIMARY KEY, body TEXT) WITHOUT ROWID");
  }

  async spawn(body: string, steps: Steps): Promise<{ id: string }> {
    const id = crypto.randomUUID();
    if (steps.insert) this.ctx.storage.sql.exec("INSERT INTO spawns VALUES (?, ?)", id, body).toArray();
    if (steps.fetch) {
      const headers = { "content-type": "application/json" };
      const response = await fetch(this.env.WEBHOOK_URL, { method: "POST", headers, body });
      await response.text();
    }
    return { id };
  }
}

const app = new Hono<{ Bindings: Env }>();

/** `?insert=0` and `?fetch=0` leave that step out. */
app.post("/", async (c) => {
  const body = JSON.stringify(await c.req.json());
  const steps = { insert: c.req.query("insert") !== "0", fetch: c.req.query("fetch") !== "0" };
  return c.json(await c.env.FLOOR.getByName("floor").spawn(body, steps));
});

export default app;

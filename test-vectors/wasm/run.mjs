// Puts every vector to core as WebAssembly, and the example of the specification to the least that verifies; prints counts and sizes.
import { readFileSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { gzipSync } from "node:zlib";

const [vectorsWasm, minimalWasm, minimalElf] = process.argv.slice(2);
const root = join(import.meta.dirname, "..");
const load = async (file) => (await WebAssembly.instantiate(readFileSync(file), {})).instance.exports;
const json = (directory) =>
    readdirSync(directory, { recursive: true })
        .filter((name) => name.endsWith(".json"))
        .sort()
        .map((name) => [name, readFileSync(join(directory, name))]);
const memory = (module, start, length) => new Uint8Array(module.memory.buffer, start, length);

// What disagrees, empty when nothing does.
function put(module, entry, text) {
    const start = module.room(text.length);
    memory(module, start, text.length).set(text);
    const length = module[entry]();
    return new TextDecoder().decode(memory(module, module.text(), length));
}

let failed = 0;
const vectors = await load(vectorsWasm);
const count = { vector: [0, 0], statements: [0, 0] };
for (const [entry, directory] of [["vector", "vectors"], ["statements", "statements"]]) {
    for (const [name, text] of json(join(root, directory))) {
        const differs = put(vectors, entry, text);
        if (differs) {
            console.error(`${directory}/${name}: ${differs}`);
            failed += 1;
        }
        count[entry][0] += 1;
        count[entry][1] += JSON.parse(text).steps?.length ?? 1;
    }
}
// Where nothing is put, nothing fails.
if (count.vector[0] < 1000 || count.statements[0] < 300) {
    console.error("there are fewer vectors than there should be");
    failed += 1;
}
// A runner that finds everything right would, too.
const [, example] = json(join(root, "vectors")).find(([name]) => name === join("whole", "example.json"));
const bent = JSON.parse(example);
bent.request.method = "PUT";
if (put(vectors, "vector", new TextEncoder().encode(JSON.stringify(bent))) === "") {
    console.error("a request that was changed after it was signed is taken");
    failed += 1;
}

// The least that verifies takes the example, once it is whole.
const minimal = await load(minimalWasm);
function verify(method) {
    const { request, now } = JSON.parse(example);
    const lines = [`${method} ${request.target}`, ...request.headers.map(([name, value]) => `${name}: ${value}`), "", ""];
    const message = Buffer.concat([Buffer.from(lines.join("\n")), Buffer.from(request.body, "base64")]);
    const start = minimal.room();
    memory(minimal, start, message.length).set(message);
    return minimal.verify(start, message.length, BigInt(now));
}
for (const [method, wanted] of [["POST", 0], ["PUT", 401]]) {
    const status = verify(method);
    if (status !== wanted) {
        console.error(`the minimal verifier says ${status} and not ${wanted} to ${method}`);
        failed += 1;
    }
}

// What of a 32-bit ELF file is loaded: the file sizes of its PT_LOAD segments.
function loaded(file) {
    const elf = readFileSync(file);
    const [offset, size, number] = [elf.readUInt32LE(28), elf.readUInt16LE(42), elf.readUInt16LE(44)];
    const segments = Array.from({ length: number }, (_, at) => offset + at * size);
    const load = segments.filter((at) => elf.readUInt32LE(at) === 1);
    return load.reduce((sum, at) => sum + elf.readUInt32LE(at + 16), 0);
}

const wasm = readFileSync(minimalWasm);
const [requests, steps] = [count.vector, count.statements];
console.log(`wasm32-unknown-unknown, Node ${process.version}: ${requests[0]} vectors with ${requests[1]} requests, ` +
    `${steps[0]} vectors of statements with ${steps[1]} steps: ${failed} disagree`);
console.log(`minimal verifier: thumbv7em-none-eabi ${loaded(minimalElf)} bytes, wasm32-unknown-unknown ${wasm.length} bytes ` +
    `(${gzipSync(wasm, { level: 9 }).length} with gzip)`);
process.exit(failed ? 1 : 0);

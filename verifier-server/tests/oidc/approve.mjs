// Approves a device login as a person does in a browser: opens the page, submits the forms that it gets.
//
//     node approve.mjs VERIFICATION_URI_COMPLETE [NAME]

const [, , start, name = 'alice'] = process.argv;
const cookies = new Map();

async function open(url, body) {
  const answer = await fetch(url, {
    method: body ? 'POST' : 'GET',
    body,
    redirect: 'manual',
    headers: { cookie: [...cookies].map(([key, value]) => `${key}=${value}`).join('; ') },
  });
  for (const cookie of answer.headers.getSetCookie()) {
    const [, key, value] = /^([^=]+)=([^;]*)/.exec(cookie);
    if (value) cookies.set(key, value); else cookies.delete(key);
  }
  const location = answer.headers.get('location');
  return location ? open(new URL(location, url)) : { url, status: answer.status, html: await answer.text() };
}

const attributes = (tag) => Object.fromEntries([...tag.matchAll(/([\w-]+)="([^"]*)"/g)].map(([, key, value]) => [key, value]));

// The first form of a page, filled in.
function fill(html) {
  const form = /<form[^>]*>[\s\S]*?<\/form>/.exec(html)?.[0];
  if (!form) return undefined;
  const fields = new URLSearchParams();
  for (const [tag] of form.matchAll(/<input[^>]*>/g)) {
    const input = attributes(tag);
    const typed = { login: name, password: 'none' };
    fields.set(input.name, input.value ?? typed[input.name] ?? '');
  }
  return { action: attributes(form).action, fields };
}

let page = await open(start);
for (let form, steps = 0; (form = fill(page.html)) && steps < 10; steps += 1) {
  page = await open(new URL(form.action, page.url), form.fields);
}
if (page.status !== 200 || !page.html.includes('Sign-in Success')) {
  console.error(`${page.url}: ${page.status}\n${page.html}`);
  process.exit(1);
}

/** What the API takes as the name of a service. */
const nameForm = /^[a-z][-a-z0-9]{0,63}$/;

export function isServiceName(name: string): boolean {
  return nameForm.test(name);
}

/** Why it is none; undefined: it is one. */
export function serviceNameError(name: string): string | undefined {
  return isServiceName(name)
    ? undefined
    : "Begin with a lower-case letter; then letters, digits and dashes, 64 at most";
}

/**
 * Header that a request with a session's cookie must have, with any value: pages of other origins cannot send it.
 * Requests with a token do not need it.
 */
export const sessionHeader = "x-btar-console";

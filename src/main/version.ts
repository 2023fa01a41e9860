/** btar's own version, as in package.json. */
export const btarVersion = "0.1.0";

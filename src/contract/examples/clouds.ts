/** Where the services of the examples are. */
export const primaryCloud = "aws-eu-west-1";
export const secondaryCloud = "aws-eu-central-1";

"use strict";

const ms = require("ms");

exports.greet = (since) => `hello again, after ${ms(since, { long: true })}`;

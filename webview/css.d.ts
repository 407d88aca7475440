/** Style sheets are imported for the bundler to find them; they give nothing. */
declare module '*.css';
